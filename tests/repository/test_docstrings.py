"""Every parameter of the public API is described in the ``Args:`` section of its own docstring."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import anycreds.adapters

PUBLIC_MODULES = [
    "anycreds",
    *(
        f"{package.__name__}.{found.name}"
        for package in (anycreds, anycreds.adapters)
        for found in pkgutil.iter_modules(package.__path__)
        if not found.name.startswith("_") and found.name != "adapters"
    ),
]
LIBRARIES = {"aiobotocore", "botocore", "httpx", "httpx2", "obstore"}  # the modules of their adapters have their names
# Programs get instances of these classes from a function, or inherit the class, and never call the constructor.
NOT_CONSTRUCTED = {
    "CachedProvider",
    "CredentialChain",
    "FreshCredentials",
    "FrozenCredentials",
    "KeepFresh",
    "MemoryConnection",
    "Provider",
    "ProviderCredentials",
}
# The methods of httpcore's network streams, which its documentation describes.
HTTPCORE = {"get_extra_info", "read", "start_tls", "write"}
SECTION = re.compile(r"^(?:Args|Attributes):\n((?: .*\n|\n)+)", re.MULTILINE)


def documented(docstring: str) -> set[str]:
    """Return the names that the ``Args:`` and ``Attributes:`` sections of a docstring describe."""
    names: set[str] = set()
    for section in SECTION.findall(inspect.cleandoc(docstring) + "\n"):
        lines = [line for line in section.split("\n") if line.strip()]
        indentation = len(lines[0]) - len(lines[0].lstrip())
        for line in lines:
            if len(line) - len(line.lstrip()) == indentation:  # deeper lines continue a description
                names.update(re.findall(r"\w+", re.sub(r"\(.*?\)", "", line.partition(":")[0])))
    return names


def public_callables(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any], str]]:
    """Yield each public function, constructor and method with its name and its documentation."""
    for name in getattr(module, "__all__", None) or vars(module):
        value = getattr(module, name)
        if name.startswith("_") or not getattr(value, "__module__", "").startswith("anycreds"):
            continue
        if module.__name__.startswith("anycreds.adapters.") and value.__module__ != module.__name__:
            continue  # an adapter's own names only, not those that it imports
        if inspect.isclass(value):
            yield from public_methods(value)
        elif inspect.isroutine(value):
            yield value.__qualname__, value, value.__doc__ or ""


def public_methods(owner: type) -> Iterator[tuple[str, Callable[..., Any], str]]:
    """Yield the constructor and the public methods that a class defines itself."""
    own = [base for base in owner.__mro__ if base.__module__.startswith("anycreds")]
    constructor = next((vars(base)["__init__"] for base in own if "__init__" in vars(base)), None)
    is_constructed = owner.__name__ not in NOT_CONSTRUCTED and not getattr(owner, "_is_protocol", False)
    if inspect.isfunction(constructor) and is_constructed:
        documents = [constructor.__doc__, *(base.__doc__ for base in own)]  # errors inherit parameters and their text
        yield owner.__qualname__, constructor, "\n\n".join(inspect.cleandoc(one) for one in documents if one)
    foreign = {name for base in owner.__mro__ if base not in own for name in dir(base)}
    for name, value in vars(owner).items():
        function = getattr(value, "__func__", value)  # class and static methods
        if (
            inspect.isfunction(function)
            and (name == "__call__" or not name.startswith("_"))
            and name not in foreign | HTTPCORE
        ):
            yield function.__qualname__, function, function.__doc__ or ""


def test_every_parameter_is_documented() -> None:
    """The docstring of every public callable describes each of its parameters."""
    missing = {}
    for name in PUBLIC_MODULES:
        library = name.rpartition(".")[2]
        if library in LIBRARIES and find_spec(library) is None:
            continue  # checked where it is installed
        for callable_name, function, docstring in public_callables(import_module(name)):
            parameters = [
                parameter
                for parameter, details in inspect.signature(function).parameters.items()
                if parameter not in {"self", "cls"}
                and not parameter.startswith("_")
                and not str(details.annotation).startswith("Unpack[")  # the keywords of a base, which describes them
            ]
            if lacking := [parameter for parameter in parameters if parameter not in documented(docstring)]:
                missing[f"{name}: {callable_name}"] = lacking
    assert missing == {}


def test_sections_are_parsed() -> None:
    """Names are read from the sections of a docstring, also several in one line, without their types."""
    docstring = """Do it.

    Args:
        one: The first: of all.
            more: not a name.
        two (int), three: Others.

    Returns:
        result: None.

    Attributes:
        *four: The last.
    """
    assert documented(docstring) == {"one", "two", "three", "four"}
