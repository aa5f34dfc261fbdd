"""The surface described: OpenAPI 3.1 from the models that check it, and a page that shows it."""

from functools import lru_cache
from typing import Any

from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api import models
from app.core.templating import page

_BODIES = (
    models.Reserve,
    models.Unreserve,
    models.Extend,
    models.CheckIn,
    models.Validate,
    models.Calculate,
    models.Pay,
    models.Put,
)
_AMOUNT = {
    "type": "object",
    "properties": {
        "amount": {"type": "string", "description": "major units", "examples": ["4.80"]},
        "amountMinor": {"type": "integer"},
        "currency": {"type": "string", "description": "ISO 4217"},
        "lines": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["amount", "amountMinor", "currency", "lines"],
}


async def openapi_json(request: Request) -> Response:
    """``GET /openapi.json``."""
    return JSONResponse(openapi())


async def docs(request: Request) -> Response:
    """``GET /docs``."""
    return page("api/docs.html", operations())


@lru_cache(maxsize=1)
def openapi() -> dict[str, Any]:
    """The description as a document."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in _BODIES], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lotline",
            "version": "1",
            "description": "Book a slot, watch it change, pay for it. Errors are problem details (RFC 9457).",
        },
        "paths": {
            "/parking": {
                "get": _list_operation(),
                "put": _operation(
                    "putSlot",
                    "Create a slot, or replace it",
                    "Put",
                    {"201": "The slot is new", "200": "The slot was replaced"},
                    _ref("Slot"),
                    ("400", "409", "412", "413", "422", "503"),
                    [_IF_MATCH],
                ),
                "post": _post_parking(),
            },
            "/parking/payment": {"post": _post_payment()},
        },
        "components": {
            "schemas": {
                **definitions.get("$defs", {}),
                "Fee": {
                    "allOf": [_AMOUNT],
                    "properties": {
                        "quote": {
                            "type": ["string", "null"],
                            "description": "of a reservation: what `pay` takes; null where nothing is due",
                        },
                        "validUntil": {
                            "type": ["integer", "null"],
                            "description": "Unix seconds; who pays and leaves until then owes nothing",
                        },
                    },
                },
                "Payment": {
                    "type": "object",
                    "properties": {
                        "payment": {"type": "string"},
                        "reservation": {"type": "string"},
                        "status": {
                            "enum": ["pending", "paid", "accepted"],
                            "description": "accepted: while the database is away; the receipt follows",
                        },
                        "amount": {"type": "string", "description": "major units"},
                        "amountMinor": {"type": "integer"},
                        "currency": {"type": "string", "description": "ISO 4217"},
                        "receipt": {
                            "type": ["string", "null"],
                            "description": "its address, once it is paid",
                        },
                        "next": {
                            "type": ["string", "null"],
                            "description": "where the payer has to go before it can be paid",
                        },
                    },
                    "required": ["payment", "reservation", "status", "amount", "amountMinor", "currency"],
                },
                "Released": {
                    "allOf": [_AMOUNT],
                    "properties": {
                        "slot": {"type": "string"},
                        "reservation": {"type": "string"},
                        "startTime": {"type": "integer"},
                        "endTime": {"type": "integer"},
                        "paymentStatus": {"enum": ["due", "paid", "nothing due"]},
                    },
                },
                "Reserved": {
                    "type": "object",
                    "properties": {
                        "slot": {"type": "string"},
                        "reservation": {"type": "string"},
                        "lot": {"type": "string"},
                        "area": {"type": "string"},
                        "name": {"type": "string"},
                        "premium": {"type": "boolean"},
                        "startTime": {"type": "integer", "description": "Unix seconds"},
                        "until": {"type": ["integer", "null"]},
                        "arriveBy": {
                            "type": ["integer", "null"],
                            "description": "check in until then, or the slot is given up; null where nobody "
                            "checks in",
                        },
                        "price": {"type": "object"},
                        "_links": {"type": "object"},
                    },
                    "required": ["slot", "reservation", "startTime"],
                },
                "Extended": {
                    "allOf": [_AMOUNT],
                    "properties": {
                        "slot": {"type": "string"},
                        "reservation": {"type": "string"},
                        "startTime": {"type": "integer"},
                        "until": {"type": "integer", "description": "the new planned end"},
                        "more": {"type": "string", "description": "of the amount, what the extension adds"},
                        "moreMinor": {"type": "integer"},
                    },
                    "required": ["slot", "reservation", "until", "more", "moreMinor"],
                },
                "Arrived": {
                    "type": "object",
                    "properties": {
                        "slot": {"type": "string"},
                        "reservation": {"type": "string"},
                        "lot": {"type": "string"},
                        "arrivedAt": {"type": "integer", "description": "Unix seconds"},
                    },
                    "required": ["slot", "reservation", "arrivedAt"],
                },
                "Validated": {
                    "allOf": [_AMOUNT],
                    "properties": {
                        "slot": {"type": "string"},
                        "reservation": {"type": "string"},
                        "lot": {"type": "string"},
                        "code": {"type": "string", "description": "as its offer spells it"},
                        "codes": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "all that the booking has",
                        },
                        "givenBefore": {"type": "boolean"},
                    },
                    "required": ["slot", "reservation", "code", "codes", "givenBefore"],
                },
                "Slot": {
                    "type": "object",
                    "properties": {
                        "identifier": {"type": "string"},
                        "name": {"type": "string"},
                        "location": {},
                        "size": _ref("Size"),
                        "status": {"enum": ["free", "reserved", "occupied", "closed"]},
                        "premium": {"type": "boolean"},
                        "accessible": {"type": "boolean"},
                        "charging": {"type": "boolean"},
                        "lot": {"type": "string"},
                        "area": {"type": "string"},
                        "outline": {"type": ["array", "null"]},
                    },
                    "required": ["identifier", "name", "size", "status", "premium"],
                },
                "SlotList": {
                    "type": "object",
                    "properties": {
                        "_links": {
                            "type": "object",
                            "properties": {
                                "self": {"type": "string"},
                                "next": {"type": ["string", "null"]},
                                "prev": {"type": ["string", "null"]},
                            },
                        },
                        "slotDetails": {"type": "array", "items": _ref("Slot")},
                        "start": {"type": "integer"},
                        "limit": {"type": "integer"},
                        "asOf": {
                            "type": "integer",
                            "description": "only while the database is away: Unix seconds of what is shown",
                        },
                        "complete": {
                            "type": "boolean",
                            "description": "only with asOf: false where lots may be missing",
                        },
                    },
                    "required": ["_links", "slotDetails", "start", "limit"],
                },
                "Problem": {
                    "type": "object",
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "errors": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                            },
                        },
                    },
                    "required": ["type", "title", "status"],
                },
            }
        },
    }


def operations() -> list[dict[str, Any]]:
    """Each call as the page shows it: method, path, words, fields of its body or query, answers."""
    document = openapi()
    schemas = document["components"]["schemas"]
    shown = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            schema = body.get("schema", {})
            names = [one["$ref"] for one in schema.get("oneOf", [schema]) if "$ref" in one]
            parts = [_fields(schemas[name.rsplit("/", 1)[1]]) for name in names]
            shown.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "summary": operation["summary"],
                    "bodies": list(zip([name.rsplit("/", 1)[1] for name in names], parts, strict=True)),
                    "query": operation.get("parameters", []),
                    "answers": [(code, one["description"]) for code, one in operation["responses"].items()],
                }
            )
    return shown


def _fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "required": name in required,
            "about": one.get("description", ""),
            "type": _type_words(one),
        }
        for name, one in schema.get("properties", {}).items()
    ]


def _type_words(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1]).lower()
    if "anyOf" in schema:
        return " or ".join(
            dict.fromkeys(_type_words(one) for one in schema["anyOf"] if one.get("type") != "null")
        )
    return str(schema.get("type", "anything"))


def _post_parking() -> dict[str, Any]:
    operation = _operation(
        "reserveOrUnreserve",
        "Reserve a slot, extend the stay, check in, validate it with a code, give it back",
        "Reserve",
        {"200": "The slot that is now yours; what the stay costs, or cost; when the car came; the codes"},
        {
            "oneOf": [
                _ref("Reserved"),
                _ref("Released"),
                _ref("Extended"),
                _ref("Arrived"),
                _ref("Validated"),
            ]
        },
        ("400", "404", "409", "413", "422", "503"),
        [_action("reserve", "unreserve", "extend", "check-in", "validate"), _KEY],
    )
    operation["requestBody"]["content"]["application/json"]["schema"] = {
        "oneOf": [_ref("Reserve"), _ref("Unreserve"), _ref("Extend"), _ref("CheckIn"), _ref("Validate")]
    }
    return operation


def _post_payment() -> dict[str, Any]:
    operation = _operation(
        "calculateOrPay",
        "What a stay or a booking costs, and paying for a booking",
        "Calculate",
        {
            "200": "The fee with its lines; the payment",
            "202": "The payment is under way, or accepted while the database is away",
        },
        {"oneOf": [_ref("Fee"), _ref("Payment")]},
        ("400", "402", "403", "404", "409", "413", "422", "503"),
        [_action("calculate", "pay")],
    )
    operation["requestBody"]["content"]["application/json"]["schema"] = {
        "oneOf": [_ref("Calculate"), _ref("Pay")]
    }
    return operation


def _list_operation() -> dict[str, Any]:
    schema = models.ListQuery.model_json_schema()
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": _without_refs(one)}
        for name, one in schema["properties"].items()
    ]
    page = _answer(
        "A page of slots; while the database is away from memory, with asOf and Age", _ref("SlotList")
    )
    page["headers"] = {
        "Age": {
            "description": "seconds since asOf, where the answer comes from memory",
            "schema": {"type": "integer"},
        }
    }
    return {
        "operationId": "listSlots",
        "summary": "Slots with their status",
        "parameters": parameters,
        "responses": {"200": page} | _problems(("404", "422", "503")),
    }


def _operation(
    name: str,
    summary: str,
    body: str,
    good: dict[str, str],
    answer: dict[str, Any],
    bad: tuple[str, ...],
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters or [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(body)}}},
        "responses": {code: _answer(words, answer) for code, words in good.items()} | _problems(bad),
    }


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same key and body get the same answer, for a day; with another body 422; while the "
    "first one is being worked on 409 `request-in-flight`, to be sent again after Retry-After",
    "schema": {"type": "string", "maxLength": 255},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "the ETag of the slot as it was seen: replaced only if it is still that one",
    "schema": {"type": "string"},
}
_PROBLEMS = {
    "400": "The request can't be read",
    "402": "The payment was declined",
    "403": "Cash is taken by an attendant who is signed in",
    "404": "All matching slots are taken, or there is no such thing",
    "409": "It is taken, or stands against something",
    "412": "It was changed meanwhile",
    "413": "The body is too large",
    "422": "A field is wrong; each is named",
    "503": "A part does not answer; try again after Retry-After",
}


def _action(*names: str) -> dict[str, Any]:
    return {"name": "action", "in": "query", "required": True, "schema": {"enum": list(names)}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _problems(codes: tuple[str, ...]) -> dict[str, Any]:
    return {
        code: {
            "description": _PROBLEMS[code],
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        for code in codes
    }


def _without_refs(schema: dict[str, Any]) -> dict[str, Any]:
    """A query's field with its enumeration written out, since a query has no place for definitions."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_without_refs(one) for one in schema["anyOf"]]}
    return _ref("Size") if "$ref" in schema else schema
