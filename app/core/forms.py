"""Reading what a client sent: JSON or a form, within limits, with every wrong field named at once."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from app.core.errors import FieldError, InvalidInput, Problem

Model = TypeVar("Model", bound=BaseModel)
# A client that sends nonsense is told what is wrong with it, but not for megabytes.
MOST_ERRORS, LONGEST_NAME = 50, 60
MOST_FIELDS = 30
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


async def read_json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; a Problem (400) says what is wrong with one that isn't."""
    body = await request.body()
    if not body.strip():
        raise Problem(400, "body-missing", "The body is missing", "Send a JSON object.")
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "body-not-json", "The body is not JSON", _plain(error)) from None
    if not isinstance(document, dict):
        raise Problem(400, "body-not-an-object", "The body is not a JSON object", "Send {…}.")
    return document


async def read_form(request: Request, most_fields: int = MOST_FIELDS) -> dict[str, str]:
    """The fields of a posted form. A Problem (415, 422) says what is wrong with a body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "not-a-form", "This is not a form", "Send it as a browser sends a form.")
    sent: dict[str, str] = {}
    errors = []
    async with request.form(max_fields=most_fields, max_files=0) as form:
        for name, value in form.multi_items():
            try:
                sent[fit_text(name)] = fit_text(str(value))
            except ValueError as error:
                errors.append(FieldError(name.encode(errors="replace").decode(), str(error)))
    if errors:
        raise InvalidInput(errors)
    return sent


async def read_upload(request: Request, field: str, most_bytes: int) -> tuple[dict[str, str], str, bytes]:
    """The fields of a posted form with one file: the fields, the file's name and its bytes.

    A Problem (413, 415, 422) says what is wrong. Without a file its name is empty.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Problem(415, "not-a-form", "This is not a form", "Send it as a browser sends a file.")
    sent: dict[str, str] = {}
    name, data = "", b""
    async with request.form(max_fields=MOST_FIELDS, max_files=1, max_part_size=10_000) as form:
        for key, value in form.multi_items():
            if isinstance(value, UploadFile):
                if key == field and value.filename:
                    name = _UNFIT.sub(" ", PurePath(value.filename).name)[:120]
                    data = await value.read(most_bytes + 1)
                continue
            try:
                sent[fit_text(key)] = fit_text(value)
            except ValueError as error:
                raise InvalidInput([FieldError(key[:LONGEST_NAME], str(error))]) from None
    return sent, name, data


def validated(model: type[Model], data: Mapping[str, Any]) -> Model:
    """``data`` as a model, or InvalidInput with a sentence for each wrong field."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False)[:MOST_ERRORS]
        raise InvalidInput([_field_error(one) for one in found]) from None


def fit_text(text: str) -> str:
    """The text, if a database can keep it and a page can show it. ValueError otherwise."""
    if _UNFIT.search(text):
        raise ValueError("has a character that can't be stored")
    return text


def _field_error(error: Any) -> FieldError:
    where = ".".join(str(part)[:LONGEST_NAME] for part in error["loc"]) or "body"
    where = where.encode(errors="replace").decode()
    match error["type"]:
        case "missing":
            message = "is missing"
        case "extra_forbidden":
            message = "is not known here"
        case "value_error":
            message = str(error["ctx"]["error"])
        case "string_too_short" | "too_short":
            message = "is empty"
        case "enum" | "literal_error":
            message = f"must be one of {error['ctx']['expected']}"
        case _:
            message = error["msg"][0].lower() + error["msg"][1:]
    return FieldError(where, message)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _plain(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "It is not UTF-8."
    if isinstance(error, RecursionError):
        return "It is nested too deeply."
    return str(error)[:200]
