import pytest

import diffumask_integrations.langchain as public


def test_all_names_are_there() -> None:
    for name in public.__all__:
        assert getattr(public, name).__name__ == name
    assert public.DiffuMaskMiddleware.__module__ == "diffumask_integrations.langchain.middleware"


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="DiffuMaskMiddlewear"):
        _ = public.DiffuMaskMiddlewear
