"""What a client of the service sees."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.serving.app import create_app
from coupang_assets.serving.models import ModelVersion
from coupang_assets.settings import ServingSettings
from coupang_assets_tests.serving.models import APRIL, MAY, FakeSource


@contextmanager
def service(source: FakeSource, **options: Any) -> Iterator[TestClient]:
    with TestClient(create_app(source, ServingSettings(**{"reload_seconds": 0.02} | options))) as client:
        yield client


@pytest.fixture
def client() -> Iterator[TestClient]:
    with service(FakeSource(MAY, APRIL)) as client:
        yield client


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def test_one_title_or_many_get_paths_with_scores(client: TestClient) -> None:
    one = client.post("/predict", json={"titles": "삼성 TV", "top_k": 2}).json()
    assert one["model"] == "2024_05/biterm"
    assert one["results"] == [
        {
            "title": "삼성 TV",
            "predictions": [
                {"code": "0001", "score": 0.6, "path": ["aaaa", "가전", "TV"]},
                {"code": "0002", "score": 0.3, "path": ["aaaa", "가전", "냉장고"]},
            ],
        }
    ]
    many = client.post("/predict", json={"titles": ["TV", " ", "냉장고"]}).json()
    assert [len(result["predictions"]) for result in many["results"]] == [3, 0, 3]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "titles"),
        ({"titles": []}, "titles"),
        ({"titles": ["a"] * 1001}, "titles"),
        ({"titles": ["x" * 1001]}, "titles.0"),
        ({"titles": ["a", 3]}, "titles.1"),
        ({"titles": "a", "top_k": 0}, "top_k"),
        ({"titles": "a", "top_k": 51}, "top_k"),
        ({"titles": "a", "top_k": "3"}, "top_k"),
        ({"titles": "a", "topk": 3}, "topk"),
        ([1], "body"),
    ],
)
def test_a_request_that_does_not_hold_is_told_what_is_wrong(client: TestClient, body: object, told: str) -> None:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_a_body_that_is_no_json_or_too_large(client: TestClient) -> None:
    torn = client.post("/predict", content=b'{"titles": "', headers={"content-type": "application/json"})
    assert torn.status_code == 422 and "JSON" in torn.json()["detail"]
    large = client.post("/predict", json={"titles": ["x" * 1000] * 1000, "padding": "x" * 2**20})
    assert large.status_code == 413 and "fewer titles" in large.json()["detail"]


def test_a_body_that_hides_its_length_is_cut_off(client: TestClient) -> None:
    chunks = (b"x" * 2**16 for _ in range(40))
    assert client.post("/predict", content=chunks).status_code == 413


def test_a_model_is_asked_by_its_id(client: TestClient) -> None:
    answer = client.post("/predict", json={"titles": "TV", "model": "2024_04/biterm"}).json()
    assert (answer["model"], answer["version"]) == ("2024_04/biterm", "bbbb")
    listed = {model["id"]: model for model in client.get("/models").json()["models"]}
    assert [(m["current"], m["loaded"]) for m in listed.values()] == [(True, True), (False, True)]
    unknown = client.post("/predict", json={"titles": "TV", "model": "2020_01/biterm"})
    assert unknown.status_code == 404 and "/models" in unknown.json()["detail"]


def test_models_that_are_not_asked_any_more_are_unloaded() -> None:
    months = [ModelVersion(f"2024_0{n}", "biterm", str(n)) for n in range(9, 0, -1)]
    with service(FakeSource(*months), keep_models=2) as client:
        for version in months:
            assert client.post("/predict", json={"titles": "TV", "model": version.id}).status_code == 200
        loaded = [model["id"] for model in client.get("/models").json()["models"] if model["loaded"]]
    assert loaded == ["2024_09/biterm", "2024_02/biterm", "2024_01/biterm"]


def test_a_model_that_fails_is_told_and_the_service_goes_on(client: TestClient) -> None:
    broken = client.post("/predict", json={"titles": "break"})
    assert broken.status_code == 503 and "broken" in broken.json()["detail"]
    assert client.post("/predict", json={"titles": "TV"}).status_code == 200


def test_a_newer_model_takes_over_while_the_old_one_finishes_its_requests() -> None:
    source = FakeSource(MAY)
    newer = ModelVersion("2024_05", "biterm", "cccc")
    with service(source) as client:
        old = source.loaded[0]
        old.may_answer.clear()
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(client.post("/predict", json={"titles": "TV"})))
        asking.start()
        wait_until(lambda: bool(old.batches))
        source.there[0] = newer
        wait_until(lambda: client.get("/health").json()["version"] == "cccc")
        assert client.post("/predict", json={"titles": "TV"}).json()["version"] == "cccc"
        old.may_answer.set()
        asking.join()
        assert "coupang_assets_model_swaps_total 1.0" in client.get("/metrics").text
    assert answers[0].status_code == 200 and answers[0].json()["version"] == "aaaa"


def test_a_newer_model_that_is_damaged_leaves_the_old_one_answering() -> None:
    source = FakeSource(MAY)
    newer = ModelVersion("2024_05", "biterm", "cccc")
    source.broken.add(newer)
    with service(source) as client:
        source.there[0] = newer
        wait_until(lambda: "coupang_assets_model_load_failures_total 0.0" not in client.get("/metrics").text)
        assert client.post("/predict", json={"titles": "TV"}).json()["version"] == "aaaa"
        source.broken.clear()
        wait_until(lambda: client.get("/health").json()["version"] == "cccc")


def test_beyond_the_requests_that_may_be_under_way_the_answer_is_429_and_health_still_answers() -> None:
    source = FakeSource(MAY)
    with service(source, concurrent_requests=2) as client:
        source.loaded[0].may_answer.clear()
        threads = [threading.Thread(target=lambda: client.post("/predict", json={"titles": "TV"})) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: sum(source.loaded[0].batches) + _waiting(client) == 2)
        refused = client.post("/predict", json={"titles": "TV"})
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        assert client.get("/health").status_code == 200
        source.loaded[0].may_answer.set()
        for thread in threads:
            thread.join()
        assert client.post("/predict", json={"titles": "TV"}).status_code == 200
        assert 'requests_total{path="/predict",status="429"} 1.0' in client.get("/metrics").text


def _waiting(client: TestClient) -> int:
    (line,) = [li for li in client.get("/metrics").text.splitlines() if li.startswith("coupang_assets_waiting_titles ")]
    return int(float(line.split()[1]))


def test_a_request_that_takes_too_long_is_given_up() -> None:
    source = FakeSource(MAY)
    with service(source, timeout_seconds=0.1) as client:
        source.loaded[0].may_answer.clear()
        late = client.post("/predict", json={"titles": "TV"})
        source.loaded[0].may_answer.set()
        assert late.status_code == 503 and "0.1 s" in late.json()["detail"]


def test_with_a_key_only_those_who_have_it_are_answered() -> None:
    with service(FakeSource(MAY), api_key=SecretStr("s3cret-열쇠")) as client:
        assert client.post("/predict", json={"titles": "TV"}).status_code == 401
        assert client.get("/models", headers={"X-API-Key": "s3cret"}).status_code == 401
        right = {"X-API-Key": "s3cret-열쇠".encode()}
        assert client.post("/predict", json={"titles": "TV"}, headers=right).status_code == 200
        assert client.get("/health").status_code == 200


def test_strangers_cannot_make_the_metrics_grow(client: TestClient) -> None:
    for n in range(20):
        client.get(f"/nothing/{n}")
    assert 'requests_total{path="other",status="404"} 20.0' in client.get("/metrics").text


def test_without_any_model_the_service_does_not_start() -> None:
    with pytest.raises(CoupangAssetsError, match="no model"), service(FakeSource()):
        pass


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text and "https://" not in page.text
