"""The service keeps what its OpenAPI document says, whatever is sent."""

from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from coupang_assets.serving.app import create_app
from coupang_assets.settings import ServingSettings
from coupang_assets_tests.serving.models import APRIL, MAY, FakeSource

schemathesis = pytest.importorskip("schemathesis")

app = create_app(FakeSource(MAY, APRIL), ServingSettings())
schema = schemathesis.openapi.from_asgi("/openapi.json", app)


@schema.parametrize()
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: Any) -> None:
    case.call_and_validate()


def test_the_document_shows_examples_and_the_refusals() -> None:
    document = app.openapi()
    predict = document["paths"]["/predict"]["post"]
    assert {"200", "401", "404", "413", "422", "429", "503"} <= set(predict["responses"])
    assert document["components"]["schemas"]["PredictRequest"]["examples"]
