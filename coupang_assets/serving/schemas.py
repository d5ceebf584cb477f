"""What goes over the wire, as the OpenAPI document shows it."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

MAXIMUM_TOP_K = 50
MAXIMUM_TITLES = 1000
MAXIMUM_CHARACTERS = 1000
Title = Annotated[str, StringConstraints(max_length=MAXIMUM_CHARACTERS)]
_TITLE_SCHEMA = {"type": "string", "maxLength": MAXIMUM_CHARACTERS}
_LIST_SCHEMA = {"type": "array", "items": _TITLE_SCHEMA, "minItems": 1, "maxItems": MAXIMUM_TITLES}
Titles = Annotated[
    list[Title],
    Field(min_length=1, max_length=MAXIMUM_TITLES),
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
    WithJsonSchema({"anyOf": [_TITLE_SCHEMA, _LIST_SCHEMA]}),
]
# To JSON Schema 24.0 is an integer, too.
Integer = Annotated[
    int,
    Field(strict=True),
    BeforeValidator(lambda given: int(given) if isinstance(given, float) and given.is_integer() else given),
]


class PredictRequest(BaseModel):
    """Titles to classify."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"titles": "삼성 갤럭시 S25 울트라 자급제 256GB", "top_k": 3},
                {
                    "titles": ["하기스 매직컴포트 기저귀 4단계", "에르고베이비 옴니 브리즈 아기띠"],
                    "model": "2024_05/biterm",
                },
            ]
        },
    )

    titles: Titles = Field(description="one product title, or a list of them")
    top_k: Integer = Field(3, ge=1, le=MAXIMUM_TOP_K, description="categories a title, best first")
    model: str | None = Field(None, max_length=100, description="id of a model in /models; absent: the current one")


class CategoryScore(BaseModel):
    """A category proposed for a title."""

    code: str = Field(description="category code", examples=["0012"])
    score: float = Field(description="calibrated probability, 0 to 1")
    path: list[str] = Field(description="names from the top category down", examples=[["출산/유아동", "기저귀"]])


class TitlePredictions(BaseModel):
    """One title's categories; none when nothing in the title is known to the model."""

    title: str
    predictions: list[CategoryScore]


class PredictResponse(BaseModel):
    """Answers in the order of the titles."""

    model: str = Field(description="id of the model that answered", examples=["2024_05/biterm"])
    version: str = Field(description="its data version")
    results: list[TitlePredictions]


class ModelInfo(BaseModel):
    """A model that can be asked."""

    id: str = Field(examples=["2024_05/biterm"])
    month: str = Field(examples=["2024_05"])
    classifier: str = Field(examples=["biterm"])
    version: str = Field(description="data version")
    current: bool = Field(description="answers when a request names no model")
    loaded: bool


class Models(BaseModel):
    """Models there are."""

    models: list[ModelInfo]


class Health(BaseModel):
    """That the service answers, and with what."""

    status: str = Field(examples=["ok"])
    model: str
    version: str


class Problem(BaseModel):
    """What was wrong."""

    detail: str
