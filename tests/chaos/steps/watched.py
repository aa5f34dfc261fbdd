"""The functions of the application that are steps, wrapped, so that whoever observes hears of each of them.

What is heard goes to the observer of the present task and of all that it starts; without one the functions do
what they always do.
"""

import functools
import importlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any, Protocol


class Edge(Enum):
    """Which part of a function a step is: all of it, or how a context manager is entered or left.

    All of a context manager is all that happens in its block.
    """

    ALL = "all"
    ENTER = "enter"
    LEAVE = "leave"


class Observer(Protocol):
    """``function`` is written as in the table: ``module:name`` or ``module:Class.name``."""

    def before(self, function: str, edge: Edge) -> int:
        """Returns which call of it this is, from 1."""

    def after(self, function: str, edge: Edge, nth: int) -> None:
        """That call has come to its end; one that raises never does."""


_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """The block, and every task that is begun in it, is observed."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def is_observed_by(observer: Observer) -> bool:
    """Whether this task is."""
    return _observer.get() is observer


@contextmanager
def watching(functions: Iterable[str]) -> Iterator[None]:
    """Wraps these functions for as long as the block lasts. AttributeError where one is not there."""
    before = []
    try:
        for function in sorted({*functions}):
            owner, name = _found(function)
            original = inspect.getattr_static(owner, name)
            before.append((owner, name, original))
            setattr(owner, name, _wrapped(function, original))
        yield
    finally:
        for owner, name, original in reversed(before):
            setattr(owner, name, original)


def _found(function: str) -> tuple[Any, str]:
    module, _, path = function.partition(":")
    *owners, name = path.split(".")
    found = functools.reduce(getattr, owners, importlib.import_module(module))
    getattr(found, name)
    return found, name


def _wrapped(function: str, original: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(inspect.unwrap(original)):
        return _wrapped_manager(function, original)
    if inspect.iscoroutinefunction(original):
        return _wrapped_coroutine(function, original)

    @functools.wraps(original)
    def plain(*given: Any, **named: Any) -> Any:
        with _heard(function, Edge.ALL, given):
            return original(*given, **named)

    return plain


def _wrapped_coroutine(
    function: str, original: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(original)
    async def coroutine(*given: Any, **named: Any) -> Any:
        with _heard(function, Edge.ALL, given):
            return await original(*given, **named)

    return coroutine


def _wrapped_manager(
    function: str, original: Callable[..., AbstractAsyncContextManager[Any]]
) -> Callable[..., AbstractAsyncContextManager[Any]]:
    @functools.wraps(original)
    @asynccontextmanager
    async def manager(*given: Any, **named: Any) -> AsyncIterator[Any]:
        inner = original(*given, **named)
        with _heard(function, Edge.ALL):
            with _heard(function, Edge.ENTER):
                entered = await inner.__aenter__()
            try:
                yield entered
            except BaseException as error:
                with _heard(function, Edge.LEAVE):
                    if not await inner.__aexit__(type(error), error, error.__traceback__):
                        raise
            else:
                with _heard(function, Edge.LEAVE):
                    await inner.__aexit__(None, None, None)

    return manager


@contextmanager
def _heard(function: str, edge: Edge, given: Sequence[Any] = ()) -> Iterator[None]:
    observer = _observer.get()
    if observer is None or _has_nothing_to_do(given):
        yield
        return
    nth = observer.before(function, edge)
    yield
    observer.after(function, edge, nth)


def _has_nothing_to_do(given: Sequence[Any]) -> bool:
    """Statements for many rows, after a connection, are passed over where there are none: that is no step."""
    return len(given) > 1 and isinstance(given[1], Collection) and len(given[1]) == 0
