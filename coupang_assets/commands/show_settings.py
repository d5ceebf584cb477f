"""``coupang-assets settings``: every setting, what it is now, and what it is for."""

from collections.abc import Iterator

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from coupang_assets.settings import Settings


def show_settings(settings: Settings, console: Console) -> None:
    """Print them as lines of a ``.env`` file with what each is for; secrets are shown as stars."""
    for name, value, meaning in _rows(settings, "COUPANG_"):
        console.print(Text(f"{name}={value}", "bold"), soft_wrap=True)
        if meaning:
            console.print(Text(f"    {meaning}"), soft_wrap=True)


def _rows(group: BaseModel, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        variable = f"{prefix}{name.upper()}"
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{variable}__")
        else:
            yield variable, "" if value is None else str(value), field.description or ""
