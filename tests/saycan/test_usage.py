from __future__ import annotations

from saycan.planners.scripted import ScriptedLanguageModel
from saycan.usage import Usage, usage_of


def test_usages_add_up_and_read_well() -> None:
    total = Usage(1, 400, 0, 1) + Usage(1, 12, 380, 0)
    assert total == Usage(2, 412, 380, 1)
    assert total - Usage(1, 400, 0, 1) == Usage(1, 12, 380, 0)
    assert str(total) == "2 requests, 412 tokens in (380 cached), 1 out"
    assert str(Usage(1, 7)) == "1 request, 7 tokens in, 0 out"
    assert str(Usage(0, 7, 0, 2)) == "7 tokens in, 2 out"
    assert total
    assert not Usage()


def test_a_model_that_does_not_count_has_used_nothing() -> None:
    assert usage_of(ScriptedLanguageModel()) == Usage()
    assert usage_of(None) == Usage()
