from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saycan.action import Action
from saycan.cli import app
from saycan.errors import BadInputError, ModelUnavailableError, SuiteError, UnknownNameError
from saycan.evaluation import report
from saycan.evaluation.command import _of_families
from saycan.evaluation.evaluate import EPISODES, OLD, evaluate
from saycan.evaluation.judge import run_case
from saycan.evaluation.record import Evaluation, Record
from saycan.evaluation.saycan_101 import PUBLISHED
from saycan.evaluation.suite import COLUMNS, Case
from saycan.evaluation.trial import Trial
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.step import Outcome, Step

BRING = Case(
    "bring", "serving", "Bring me the apple.", "with operator", "apple on table, tea on table",
    "at('apple', 'operator') and not holding('tea')",
)  # fmt: skip
FETCH = ("find the apple", "pick up the apple", "bring the apple to the operator", "done")


def trial(*phrases: str, **changes: object) -> Trial:
    return replace(Trial("scripted:" + "|".join(phrases), values="geometric"), **changes)  # type: ignore[arg-type]


def run(*phrases: str, case: Case = BRING, **changes: object) -> Record:
    one = trial(*phrases, **changes)
    return run_case(case, 0, one, one.language_model())


def written(path: Path) -> str:
    """A suite of one case, as a user writes it."""
    values = {"id": BRING.id, "family": BRING.family, "instruction": BRING.instruction}
    values |= {"robot_start": BRING.robot_start, "env_start": BRING.env_start, "goal": BRING.goal}
    path.write_text("\t".join(COLUMNS) + "\n" + "\t".join(values[name] for name in COLUMNS) + "\n")
    return str(path)


class Connected:
    """A policy that holds something open."""

    open = 0

    def __init__(self, robot: object) -> None:
        type(self).open += 1

    def reset(self, skill: object) -> None: ...

    def act(self, observation: object, skill: object) -> Action:
        return Action(terminate=True)

    def close(self) -> None:
        type(self).open -= 1


@pytest.mark.parametrize("without", [(), ("feedback",)])
def test_a_policy_that_was_made_for_an_episode_is_closed_after_it(without: tuple[str, ...]) -> None:
    one = trial("done", execute="physics", policy=f"{__name__}:Connected", without=without)
    with one.agent(one.language_model(), BRING.env_start, 0):
        assert Connected.open == 1
    assert Connected.open == 0


def test_a_run_that_does_what_was_asked_succeeds() -> None:
    record = run(*FETCH)
    assert record.success and record.steps == FETCH[:-1] and record.blame == ""
    assert (record.shortest, record.limit, record.reached, record.disturbed) == (3, 10, 1.0, ())
    assert record.decisions == 4 and record.outcomes == ("succeeded",) * 3


def test_ending_early_is_no_success_and_says_fault() -> None:
    record = run("find the apple", "done")
    assert (record.success, record.holds, record.reached, record.blame) == (False, False, 0.5, "say")


def test_the_goal_alone_is_no_success_where_something_else_was_moved() -> None:
    other = ("find the tea", "pick up the tea", "put the tea in the trash can")
    case = replace(BRING, goal="at('apple', 'operator')")
    record = run(*other, *FETCH, case=case)
    assert record.holds and not record.success and record.disturbed == ("tea",)
    assert record.blame == "say"


def test_the_agent_has_to_choose_done_itself_and_in_time() -> None:
    record = run(*["go to the table", "go to the far counter"] * 9)
    assert record.end == "timed out" and len(record.steps) == record.limit and record.blame == "say"


@pytest.mark.parametrize("after", [0, 1, 2])
def test_what_breaks_off_in_mid_run_is_nobodys_fault(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one, llm = trial(*FETCH), ScriptedLanguageModel(FETCH)
    score, asked = llm.score, []

    def away(*arguments: object, **options: object) -> object:
        asked.append(arguments)
        if len(asked) > after:
            raise ModelUnavailableError("the server is away")
        return score(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(llm, "score", away)
    record = run_case(BRING, 0, one, llm)
    assert record.broke_off and not record.success and len(record.steps) == after
    assert record.blame == ""


def test_a_goal_that_no_plan_reaches_is_refused() -> None:
    with pytest.raises(SuiteError, match="no plan reaches the goal"):
        run(*FETCH, case=replace(BRING, goal="at('orange', 'operator')"))


def test_physics_measures_time_way_and_energy() -> None:
    case = Case("go", "driving", "Go to the table.", "with operator", "apple on table", "robot_at('table')")
    record = run("go to the table", "done", case=case, execute="physics", policy="experts", detector="privileged")
    assert record.success and record.seconds > 1.0 and record.path > 0.5 and record.energy > 1.0


def test_what_is_left_out_is_left_out() -> None:
    # Without values even what is impossible is tried, because the language model wants it.
    blind = run("pick up the orange", "done", without=("affordance",))
    assert blind.steps[0] == "pick up the orange" and blind.outcomes[0] == "failed"
    deaf = run("pick up the orange", "done", without=("language",), case=BRING)
    assert "pick up the orange" not in deaf.steps
    with pytest.raises(UnknownNameError, match="ablation"):
        Trial(without=("say",))


def test_without_language_every_skill_is_as_likely() -> None:
    one = trial("find the apple", without=("language",))
    with one.agent(one.language_model(), BRING.scene, 0) as agent:
        decision = agent.planner.decide("the apple", (), agent.robot.observe())
    assert decision.say.tolist() == pytest.approx([1 / len(decision.skills)] * len(decision.skills))


@pytest.mark.parametrize("planner", ["saycan", "shortlist"])
def test_without_values_what_has_failed_is_as_possible_as_all_else(planner: str) -> None:
    one = trial("find the apple", planner=planner, without=("affordance",))
    with one.agent(one.language_model(), BRING.scene, 0) as agent:
        failed = Step(1, agent.library.find("find the apple"), Outcome.FAILED)
        decision = agent.planner.decide("the apple", (failed,), agent.robot.observe())
    assert decision.can.tolist() == [1.0] * len(decision.skills)


def test_an_evaluation_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    cases = [BRING, replace(BRING, id="again")]
    told: list[Record] = []

    def stop(record: Record) -> None:
        told.append(record)
        raise KeyboardInterrupt

    one = trial(*FETCH)
    with pytest.raises(KeyboardInterrupt):
        evaluate(cases, [one], tmp_path, suite="s", workers=1, progress=stop)
    assert len(told) == 1
    with (tmp_path / EPISODES).open("a") as file:
        file.write('{"id": "ag')  # a line that was cut off
    whole = evaluate(cases, [one], tmp_path, suite="s", workers=1)
    assert [record.id for record in whole.records] == ["bring", "again"]
    assert whole.records[0] == told[0]  # not made again: its seconds are the same
    assert len((tmp_path / EPISODES).read_text().splitlines()) == 2
    with pytest.raises(BadInputError, match="something else: trial"):
        evaluate(cases, [replace(one, execute="physics")], tmp_path, suite="s", workers=1)


def test_ctrl_c_in_an_episode_ends_the_evaluation_and_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("saycan.robots.kitchen.oracle.PrivilegedOracle.act", pressed)
        evaluate([BRING], [trial(*FETCH)], tmp_path, workers=1)
    assert not (tmp_path / EPISODES).exists()
    (record,) = evaluate([BRING], [trial(*FETCH)], tmp_path, workers=1).records
    assert record.success
    stored = json.dumps(asdict(replace(record, end="stopped", success=False, blame="say"))) + "\n"
    (tmp_path / EPISODES).write_text(stored)  # as it was kept once
    assert evaluate([BRING], [trial(*FETCH)], tmp_path, workers=1).records[0].success


def test_an_edited_case_is_made_again_and_reports_name_the_commits_of_their_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def carry_out(cases: list[Case], commit: str) -> Evaluation:
        monkeypatch.setattr("saycan.evaluation.evaluate.commit", lambda: commit)
        return evaluate(cases, [trial(*FETCH)], tmp_path, suite="s", workers=1)

    other = replace(BRING, id="other")
    before = carry_out([BRING, other], "old")
    assert {record.commit for record in before.records} == {"old"} and before.commit == "old"
    for edited in (
        replace(BRING, instruction="The apple, please."),
        replace(BRING, env_start="apple on close counter"),
        replace(BRING, goal="at('apple', 'operator')"),
    ):
        after = carry_out([edited, other], "new")
        assert after.records[1] == before.records[1]
        assert after.records[0].commit == "new" and after.records[0].instruction == edited.instruction
        assert after.commit == "new, old" and "Commit new, old" in report.markdown(after)
        assert carry_out([edited], "newest") == replace(after, commit="new", records=after.records[:1])
    lines = (tmp_path / EPISODES).read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["other", "bring"]
    plain = [{name: value for name, value in json.loads(line).items() if name != "case"} for line in lines]
    (tmp_path / EPISODES).write_text("".join(json.dumps(one) + "\n" for one in plain))
    assert carry_out([edited], "newest").commit == "newest", "who does not say what was tried is not believed"


def test_what_broke_off_is_told_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = ScriptedLanguageModel(error=ModelUnavailableError("the server is away"))
    monkeypatch.setattr("saycan.evaluation.evaluate._LOADED", {})
    with monkeypatch.context() as patch:
        patch.setattr(Trial, "language_model", lambda self: away)
        suite, out = written(tmp_path / "mine.tsv"), str(tmp_path / "out")
        options = ["--values", "geometric", "--workers", "1", "--out", out, "--llm", "scripted:" + "|".join(FETCH)]
        result = CliRunner().invoke(app, ["eval", suite, *options])
    assert result.exit_code == 0 and "1 of 1 episodes broke off" in result.output
    assert "the server is away" in result.output and "the server is away" in (tmp_path / "out/report.md").read_text()
    monkeypatch.setattr("saycan.evaluation.evaluate._LOADED", {})
    result = CliRunner().invoke(app, ["eval", suite, *options])
    assert result.exit_code == 0 and "broke off" not in result.output
    assert json.loads((tmp_path / "out/report.json").read_text())["total"]["successes"] == 1
    (kept,) = (tmp_path / "out" / EPISODES).read_text().splitlines()
    (old,) = (tmp_path / "out" / OLD).read_text().splitlines()
    assert json.loads(kept)["success"] and "the server is away" in json.loads(old)["message"]


def test_a_password_in_the_url_of_a_server_is_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = ScriptedLanguageModel(error=ModelUnavailableError("the server is away"))
    monkeypatch.setattr("saycan.evaluation.evaluate._LOADED", {})
    monkeypatch.setattr(Trial, "language_model", lambda self: away)
    suite, out = written(tmp_path / "mine.tsv"), tmp_path / "out"
    url = "openai-chat:http://me:s3cr@t@127.0.0.1:1/v1#hf://a@b"
    result = CliRunner().invoke(app, ["eval", suite, "--workers", "1", "--out", str(out), "--llm", url])
    assert result.exit_code == 0, result.output
    assert json.loads((out / EPISODES).read_text())["llm"] == "openai-chat:http://***@127.0.0.1:1/v1#hf://a@b"
    told = [result.output, *(file.read_text() for file in out.iterdir() if file.suffix != ".png")]
    assert len(told) == 5 and not [text for text in told if "s3cr" in text or "me:" in text]


def test_an_episode_of_a_server_with_a_password_is_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "language_model", lambda self: ScriptedLanguageModel(FETCH))
    one = trial(llm="http://me:secret@127.0.0.1:1/v1#")
    first, again = (evaluate([BRING], [one], tmp_path, workers=1).records for _ in range(2))
    assert first == again


def test_processes_find_what_one_finds() -> None:
    cases = [BRING, replace(BRING, id="again")]
    one, two = (evaluate(cases, [trial(*FETCH)], workers=count).records for count in (1, 2))
    assert [(record.id, record.success, record.steps) for record in one] == [
        (record.id, record.success, record.steps) for record in two
    ]


def test_trials_of_one_evaluation_share_everything_but_the_language_model() -> None:
    with pytest.raises(BadInputError, match="language model alone"):
        evaluate([BRING], [trial(*FETCH), trial(*FETCH, execute="physics")], workers=1)


def test_the_command_makes_tables_and_pictures(tmp_path: Path) -> None:
    suite = written(tmp_path / "mine.tsv")
    options = ["--values", "geometric", "--workers", "1", "--seeds", "2", "--out", str(tmp_path / "out")]
    models = ["--llm", "scripted:" + "|".join(FETCH), "--llm", "scripted:done"]
    result = CliRunner().invoke(app, ["eval", suite, *options, *models, "--json", str(tmp_path / "found.json")])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["total"]["successes"] == 2 and set(found["families"]) == {"serving"}
    assert {"id", "family", "instruction", "seed", "success", "steps"} <= set(found["episodes"][0])
    assert found["models"]["scripted:done"]["total"]["faults"]["say"] == 2
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| serving | 2/2 | 100% |" in text and "nothing" in text
    assert (tmp_path / "out" / "report.png").stat().st_size > 5_000


def test_two_names_for_one_language_model_are_one_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saycan.evaluation.evaluate._LOADED", {})
    monkeypatch.setattr(Trial, "language_model", lambda self: ScriptedLanguageModel(FETCH))
    suite, out = written(tmp_path / "mine.tsv"), str(tmp_path / "out")
    options = ["--values", "geometric", "--workers", "1", "--out", out, "--llm", "gemma", "--llm", "gemma:none"]
    result = CliRunner().invoke(app, ["eval", suite, *options, "--adapter", "none"])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out/report.json").read_text())
    assert found["total"]["trials"] == 1 and "models" not in found


def test_the_command_tells_its_folder_before_the_first_episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("saycan.evaluation.evaluate.evaluate", stopped)
    suite = written(tmp_path / "mine.tsv")
    result = CliRunner().invoke(app, ["eval", suite])
    assert result.exit_code == 130
    assert re.search(r"kept in runs.eval.mine-\d+-\d+; .* --out runs.eval.mine-\d+-\d+ goes on", result.output)
    assert "are kept in" not in CliRunner().invoke(app, ["eval", suite, "--out", "mine"]).output


def test_the_command_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    example = str(Path(__file__).resolve().parents[3] / "examples" / "suite.tsv")
    for options, says in (
        (["--family", "singing"], "this suite has: simple"),
        (["--execute", "thought"], "unknown execution"),
        (["--policy", "experts"], "the oracle carries skills out itself"),
        (["--detector", "learned"], "the oracle carries skills out itself"),
    ):
        result = CliRunner().invoke(app, ["eval", example, "--out", str(tmp_path / "o"), *options])
        assert result.exit_code == 2 and says in result.output


@pytest.mark.parametrize(("llm", "workers"), [("gema", "2"), ("gema", "1"), ("scripted:done", "1")])
def test_a_name_that_does_not_exist_is_bad_input_from_wherever_it_is_told(
    tmp_path: Path, llm: str, workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saycan.evaluation.evaluate._LOADED", {})
    suite = written(tmp_path / "mine.tsv")
    options = ["--llm", llm, "--values", "lerned", "--seeds", "2", "--workers", workers, "--out", str(tmp_path / "o")]
    result = CliRunner().invoke(app, ["eval", suite, *options])
    says = "unknown language model 'gema'" if llm == "gema" else "case bring, seed 0: unknown value function 'lerned'"
    assert result.exit_code == 2 and says in " ".join(result.output.split())


def test_beside_some_families_stands_no_total_of_all() -> None:
    assert _of_families(PUBLISHED, ["NL Nouns"]) == {"NL Nouns": PUBLISHED["NL Nouns"]}


def test_rates_stand_beside_what_was_published() -> None:
    record = run("done")
    rows = report.rows([replace(record, family="NL Verbs"), replace(record, family="NL Verbs", success=True)])
    assert [row.family for row in rows] == ["NL Verbs", report.TOTAL]
    assert report.cells(rows[0], False, PUBLISHED)["published"] == "100%"
    assert report.cells(rows[1], True, PUBLISHED)["published"] == "74%"


def test_kitchens_of_a_case_count_as_far_as_they_differ() -> None:
    done, failed = run(*FETCH), run("done")
    assert (done.success, failed.success) == (True, False)
    alike = [replace(one, id=name, seed=seed) for name, one in (("a", done), ("b", failed)) for seed in range(8)]
    total = report.rows(alike)[-1].rate
    assert (total.successes, total.trials, total.worth) == (8, 16, 2)
    apart = report.rows([replace(one, id=f"{one.id} {one.seed}") for one in alike])[-1].rate
    assert apart.worth is None and total.interval[0] < apart.interval[0]
    plain = report.as_json(Evaluation("kinds", {}, "new", tuple(alike)))["total"]
    assert (plain["trials"], plain["worth"], tuple(plain["interval"])) == (16, 2, total.interval)
