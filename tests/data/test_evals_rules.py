"""read_evals: the rules (repeats, retries, versions, configurations, ranges), and what each error says."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import halfseen as hs
from evals_samples import (
    DATE,
    SAMPLES,
    inspect_members,
    inspect_spec,
    inspect_summaries,
    lines,
    lm_eval,
    mteb,
    opencompass,
    promptfoo,
    put,
    swe_submissions,
    tb_trial,
    wide_csv,
    zipped,
)
from halfseen.cli.words import in_options
from halfseen.data.evals.problems import Problem


def cells(evals: hs.data.Evaluations) -> list[tuple]:
    return [
        (r["model"], r["benchmark"], r["question"], r["run"], r["score"], r["status"]) for r in evals.table.to_pylist()
    ]


def told(evals: hs.data.Evaluations) -> str:
    return "\n".join(map(str, evals.problems))


def refusal(paths: Path | list[Path], **options: object) -> str:
    with pytest.raises(ValueError, match=r"\S") as error:
        hs.read_evals(paths, **options)
    return str(error.value)


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    return put(folder, name, text)


# ---- what the page says, word by word -------------------------------------------------------------------------------


def test_a_killed_run_says_how_much_was_read(tmp_path):
    spec = inspect_spec(dataset={"samples": 200, "sample_ids": list(range(200))}, config={})
    summaries = [{"id": k, "epoch": 1, "scores": {"exact": {"value": "C"}}} for k in range(37)]
    put(
        tmp_path, "logs/a.eval", zipped({"_journal/start.json": {"eval": spec}, "_journal/summaries/1.json": summaries})
    )
    evals = hs.read_evals(tmp_path / "logs")
    assert "logs/a.eval: killed; 37 of 200 samples read from its journal" in told(evals)
    assert evals.table.column("status").to_pylist().count("not run") == 163


def test_two_filters_are_listed_in_python_and_on_the_command_line(tmp_path):
    lm_eval(tmp_path)
    text = refusal(tmp_path)
    assert text == "capitals: two filters (strict, loose); give filter='strict'."
    assert in_options(text) == "capitals: two filters (strict, loose); give --filter strict."
    asked = refusal(tmp_path, filter="strickt")
    assert asked == "capitals: no filter 'strickt', there are strict, loose; give filter='strict'."


def test_a_submission_of_resolved_ids_wants_the_set_of_questions(tmp_path):
    swe_submissions(tmp_path)
    text = refusal(tmp_path)
    assert text == (
        "20270304_oak lists only resolved ids; give all with question_set='ids.txt', "
        "or 'union' for those of all submissions."
    )
    assert in_options(text) == (
        "20270304_oak lists only resolved ids; give all with --question-set ids.txt, "
        "or 'union' for those of all submissions."
    )


def test_totals_without_answers_say_how_to_get_answers(tmp_path):
    opencompass(tmp_path)
    expected = "elm/capitals.json: only a total, no answers; run OpenCompass with --dump-eval-details."
    assert expected in told(hs.read_evals(tmp_path))
    assert refusal(tmp_path / "20270304_050607/results/elm/capitals.json") == expected


def test_per_cent_are_never_guessed(tmp_path):
    wide_csv(tmp_path)
    text = refusal(tmp_path / "board.csv")
    assert text.endswith("board.csv: values up to 80: give percent=True.")
    assert in_options(text).endswith("values up to 80: give --percent.")


def test_votes_are_refused_and_evalica_is_named(tmp_path):
    battles = table(tmp_path, "question_id,model_a,model_b,winner\nq1,a,b,model_a\n", "battles.csv")
    text = refusal(battles)
    assert "votes between two models, not answers; rank them with evalica" in text
    pairs = put(tmp_path, "pairs.json", [{"generator_1": "a", "generator_2": "b", "preference": 1.5}])
    assert "evalica" in refusal(pairs)


# ---- repeats, the same trial twice ----------------------------------------------------------------------------------


def test_lines_that_repeat_model_and_question_are_runs(tmp_path):
    evals = hs.read_evals(table(tmp_path, "model,question,score\na,1,1\na,1,0\na,1,1\n"))
    assert [(row[3], row[4]) for row in cells(evals)] == [(1, 1.0), (2, 0.0), (3, 1.0)]


def test_a_run_that_is_named_twice_is_one_trial_and_is_counted(tmp_path):
    evals = hs.read_evals(table(tmp_path, "model,question,run,score\na,1,1,1\na,1,1,0\na,2,1,1\n"))
    assert [row[2:5] for row in cells(evals)] == [("1", 1, 0.0), ("2", 1, 1.0)]
    assert "one trial stood twice, the newest was kept" in told(evals)


def log(folder: Path, name: str, value: str, **spec: object) -> None:
    sample = {"id": 1, "epoch": 1, "scores": {"exact": {"value": value}}}
    sample["uuid"] = name  # every attempt writes its own
    eval_ = inspect_spec(config={}, dataset={}, **spec)
    put(folder, f"{name}.json", {"version": 2, "status": "success", "eval": eval_, "samples": [sample]})


def test_a_retried_log_counts_once_and_the_newest_wins_whatever_the_names(tmp_path):
    log(tmp_path, "z", "I", created="2027-01-01T00:00:00")
    log(tmp_path, "a", "C", created="2027-01-02T00:00:00")
    evals = hs.read_evals(tmp_path)
    assert [row[3:5] for row in cells(evals)] == [(1, 1.0)]
    assert "one trial stood twice" in told(evals)


def test_two_evaluations_of_one_model_are_two_runs_in_the_order_of_time(tmp_path):
    log(tmp_path, "z", "I", created="2027-01-01T00:00:00", task_id="T1")
    log(tmp_path, "a", "C", created="2027-01-02T00:00:00", task_id="T2")
    evals = hs.read_evals(tmp_path)
    assert [row[3:5] for row in cells(evals)] == [(1, 0.0), (2, 1.0)]
    assert not evals.problems


def test_one_uuid_is_one_trial_in_whatever_log_it_stands(tmp_path):
    for name, created, task in (("a", "2027-01-01", "T1"), ("b", "2027-01-02", "T2")):
        eval_ = inspect_spec(config={}, dataset={}, created=created, task_id=task)
        samples = [{"id": 1, "epoch": 1, "uuid": "same", "scores": {"exact": {"value": "C"}}}]
        put(tmp_path, f"{name}.json", {"eval": eval_, "samples": samples})
    assert len(hs.read_evals(tmp_path)) == 1


def test_five_runs_of_terminal_bench_are_five_runs(tmp_path):
    for run in range(5):
        trial = tb_trial("ls", 1, run % 2 == 0) | {"id": f"u{run}"}
        place = f"x/2027-03-0{run + 1}__00-00-00"
        put(tmp_path, f"{place}/results.json", {"results": [trial], "pass_at_k": {}})
        meta = {"dataset_name": "core", "dataset_version": "0.1.1", "agent_name": "a", "model_name": "m"}
        put(tmp_path, f"{place}/run_metadata.json", meta)
    assert [row[3:5] for row in cells(hs.read_evals(tmp_path))] == [(1, 1.0), (2, 0.0), (3, 1.0), (4, 0.0), (5, 1.0)]


def test_a_run_that_lost_most_of_its_trials_is_named(tmp_path):
    for run, lost in (("one", 0), ("two", 63)):
        trials = [tb_trial(f"t{k}", 1, None if k < lost else True) | {"id": f"{run}{k}"} for k in range(80)]
        put(tmp_path, f"x/{run}/results.json", {"results": trials, "pass_at_k": {}})
        meta = {"dataset_name": "core", "dataset_version": "0.1.1", "agent_name": "a", "model_name": "m"}
        put(tmp_path, f"x/{run}/run_metadata.json", meta)
    evals = hs.read_evals(tmp_path)
    assert [str(p) for p in evals.problems] == [
        "a (m): lost 63 of 80 trials of core@0.1.1 of run two (63 not graded); run them again, or see how the order "
        "depends on them."
    ]


def test_the_two_ways_to_write_a_version_are_one_benchmark(tmp_path):
    for name, dataset in (("a", "core:0.1.1"), ("b", "core@0.1.1")):
        place = f"terminal-bench-{dataset}/{name}/run"
        put(tmp_path, f"{place}/results.json", {"results": [tb_trial("ls", 1, True) | {"id": name}], "pass_at_k": {}})
    assert hs.read_evals(tmp_path).benchmarks == ["terminal-bench-core@0.1.1"]


# ---- status ---------------------------------------------------------------------------------------------------------


def test_not_graded_is_missing_and_can_be_counted_wrong(tmp_path):
    file = put(tmp_path, "a.eval", zipped(inspect_members()))
    missing, wrong = hs.read_evals(file), hs.read_evals(file, not_graded="wrong")
    assert missing.table.column("status").equals(wrong.table.column("status"))
    scores = dict(zip(missing.table.column("status").to_pylist(), wrong.table.column("score").to_pylist(), strict=True))
    assert scores["not graded"] == 0.0
    assert scores["not run"] is None
    assert missing.table.column("score").null_count == 3
    assert "lost 3 of 6 trials of capitals (2 not graded, 1 not run)" in told(missing)


def test_a_limit_that_did_not_keep_the_model_from_being_right_is_a_right_answer(tmp_path):
    samples = [{"id": 1, "epoch": 1, "limit": "time", "scores": {"exact": {"value": "C"}}},
               {"id": 2, "epoch": 1, "limit": "time", "scores": {}},
               {"id": 3, "epoch": 1, "limit": "operator", "scores": {}}]  # fmt: skip
    members = {"summaries.json": samples, "header.json": {"eval": inspect_spec(dataset={}, config={})}}
    evals = hs.read_evals(put(tmp_path, "a.eval", zipped(members)))
    assert [row[4:] for row in cells(evals)] == [(1.0, "graded"), (0.0, "own failure"), (None, "not graded")]


def test_samples_marked_invalid_are_not_graded(tmp_path):
    samples = [{"id": k, "epoch": 1, "scores": {"exact": {"value": "C"}}} for k in (1, 2)]
    header = {"eval": inspect_spec(dataset={}, config={}), "invalidated": True}
    members = {"summaries.json": samples, "header.json": header}
    members |= {
        "samples/1_epoch_1.json": samples[0] | {"invalidation": {"author": "x"}},
        "samples/2_epoch_1.json": samples[1],
    }
    evals = hs.read_evals(put(tmp_path, "a.eval", zipped(members)))
    assert [row[5] for row in cells(evals)] == ["not graded", "graded"]


def test_letters_words_and_partial_credit_become_numbers(tmp_path):
    values = ["C", "I", "P", "N", "true", "0.25", "80%", "N/A"]
    text = "model,question,score\n" + "".join(f"a,{k},{v}\n" for k, v in enumerate(values))
    evals = hs.read_evals(table(tmp_path, text))
    assert evals.table.column("score").to_pylist() == [1.0, 0.0, 0.5, 0.0, 1.0, 0.25, 0.8, None]


# ---- metrics, versions, configurations, names -----------------------------------------------------------------------


def test_the_headline_is_read_unless_another_metric_is_asked_for(tmp_path):
    file = put(tmp_path, "a.eval", zipped(inspect_members()))
    style = hs.read_evals(file, metric="style").table.column("score").to_pylist()
    assert style[4:] == [0.25, 0.5]
    assert refusal(file, metric="speed") == "capitals: no metric 'speed', there are exact, style; give metric='exact'."
    promptfoo(tmp_path / "p")
    assert hs.read_evals(tmp_path / "p", metric="tone").table.column("score").to_pylist() == [0.5, None, 0.5]
    assert hs.read_evals(tmp_path / "p", metric=["style", "success"]).table.column("score").to_pylist() == [
        0.0,
        None,
        1.0,
    ]


def test_a_dictionary_of_scores_is_a_choice(tmp_path):
    samples = [{"id": 1, "epoch": 1, "scores": {"exact": {"value": {"form": 1, "content": 0}}}}]
    file = put(tmp_path, "a.json", {"eval": inspect_spec(dataset={}, config={}), "samples": samples})
    assert refusal(file) == "capitals: two metrics (exact.form, exact.content); give metric='exact.form'."
    assert hs.read_evals(file, metric="exact.content").table.column("score").to_pylist() == [0.0]


def test_metrics_without_a_range_are_refused(tmp_path):
    text = refusal(table(tmp_path, "model,question,score\na,1,-3\na,2,12\n"))
    assert "values from -3 to 12 have no known range; choose a metric between 0 and 1" in text
    assert "no known range" in refusal(table(tmp_path, "model,question,score\na,1,120\n"), percent=True)
    assert "no known range" in refusal(put(tmp_path, "i.jsonl", '{"model":"a","question":1,"score":1e400}\n'))


def test_shares_declared_as_per_cent_are_told(tmp_path):
    evals = hs.read_evals(table(tmp_path, "model,question,score\na,1,0.5\n"), percent=True)
    assert evals.table.column("score").to_pylist() == [0.005]
    assert "percent=True, and the largest value is 0.5" in told(evals)


def test_another_version_of_a_task_is_another_benchmark(tmp_path):
    lm_eval(tmp_path)
    results = tmp_path / f"org__oak/results_{DATE}.json"
    other = tmp_path / "org__elm"
    samples = (tmp_path / f"org__oak/samples_capitals_{DATE}.jsonl").read_text()
    put(other, f"samples_capitals_{DATE}.jsonl", samples)
    top = json.loads(results.read_text())
    put(other, f"results_{DATE}.json", top | {"versions": {"capitals": 3}, "model_name": "org/elm"})
    evals = hs.read_evals(tmp_path, filter="strict")
    assert evals.benchmarks == ["capitals@2", "capitals@3"]
    assert "capitals: versions mixed (2, 3), kept as 2 benchmarks" in told(evals)


def test_other_data_of_one_task_are_other_questions(tmp_path):
    mteb(tmp_path)
    file = tmp_path / "results/org__oak/0123456789/Capitals.json"
    top = json.loads(file.read_text()) | {"dataset_revision": "ffffffff00"}
    put(tmp_path, "results/org__elm/1/Capitals.json", top)
    table_ = hs.read_evals(tmp_path).table
    oak = {r["question"] for r in table_.to_pylist() if r["model"] == "org/oak"}
    assert oak.isdisjoint(r["question"] for r in table_.to_pylist() if r["model"] == "org/elm")


def test_equal_numbers_of_different_texts_are_joined_by_their_content(tmp_path):
    for model, order in (("oak", (0, 1)), ("elm", (1, 0))):  # the second one shuffled its documents
        records = [
            {"doc_id": place, "resps": [], "metrics": ["em"], "em": float(doc == 0), "doc_hash": f"{doc}" * 64}
            for place, doc in enumerate(order)
        ]
        put(tmp_path, f"{model}/samples_capitals_{DATE}.jsonl", lines(*records))
    evals = hs.read_evals(tmp_path)
    assert "two ids stand for different texts in different files, joined by content" in told(evals)
    right = {(r["model"], r["question"]): r["score"] for r in evals.table.to_pylist()}
    assert right["oak", "0" * 12] == right["elm", "0" * 12] == 1.0


def test_another_effort_is_another_row_and_a_budget_only_where_it_differs(tmp_path):
    log(tmp_path, "a", "C", model_generate_config={"reasoning_effort": "high", "max_retries": 3})
    log(tmp_path, "b", "I", model_generate_config={"reasoning_effort": "low", "max_retries": 9})
    log(tmp_path, "c", "I", task="rivers", model_generate_config={"reasoning_effort": "low", "temperature": 0.5})
    evals = hs.read_evals(tmp_path)
    assert evals.models == ["org/oak (reasoning_effort=high)", "org/oak (reasoning_effort=low)"]
    assert "org/oak: two configurations are two rows" in told(evals)


def test_one_configuration_leaves_the_name_alone(tmp_path):
    log(tmp_path, "a", "C", model_generate_config={"temperature": 0.1})
    log(tmp_path, "b", "C", task="rivers", model_generate_config={"temperature": 0.9})
    assert hs.read_evals(tmp_path).models == ["org/oak"]


def test_models_are_renamed_and_joined(tmp_path):
    file = table(tmp_path, "model,question,score\na-v1,1,1\nb,2,0\n")
    assert hs.read_evals(file, rename={"a-v1": "b"}).models == ["b"]
    names = put(tmp_path, "names.txt", "a-v1,alpha\nb,beta\n")
    assert hs.read_evals(file, rename=names).models == ["alpha", "beta"]
    assert "no model is called 'a-v2'; close: 'a-v1'" in refusal(file, rename={"a-v2": "x"})
    assert "two columns" in refusal(file, rename=put(tmp_path, "wrong.txt", "only one\n"))


def test_keys_name_model_question_and_cluster(tmp_path):
    file = put(tmp_path, "a.eval", zipped(inspect_members()))
    assert set(hs.read_evals(file, cluster="area").table.column("cluster").to_pylist()) == {"sea", None}
    assert "cluster='aera' is in no file" in refusal(file, cluster="aera")
    assert hs.read_evals(file, model="dataset.name").models == ["capitals"]
    assert "has no key 'nobody' for the model" in refusal(file, model="nobody")
    long = table(tmp_path, "who,item_code,score,passage\na,x,1,p\na,y,0,p\n")
    evals = hs.read_evals(long, model="who", question="item_code", cluster="passage")
    assert evals.table.column("question").to_pylist() == ["x", "y"]
    assert evals.table.column("cluster").to_pylist() == ["p", "p"]
    swe = put(tmp_path, "m.r.json", {"submitted_ids": [], "resolved_ids": ["django__django-1", "sympy__sympy-22"]})
    clusters = hs.read_evals(swe, cluster="repository").table.column("cluster").to_pylist()
    assert clusters == ["django__django", "sympy__sympy"]


def test_ids_are_the_same_through_every_door(tmp_path):
    put(tmp_path, "a.csv", "model,question,score\na,1,1\na,2,0\n")
    put(tmp_path, "b.csv", "model,question,score\na,1.0,1\na,2.0,0\n")
    put(tmp_path, "c.jsonl", '{"model": "a", "question": 1, "score": 1}\n{"model": "a", "question": "2", "score": 0}\n')
    for name, ids in (("d", [1, 2]), ("e", [1.0, 2.0]), ("f", ["1", "2"])):
        parquet.write_table(
            pa.table({"model": ["a", "a"], "question": ids, "score": [1, 0]}), tmp_path / f"{name}.parquet"
        )
    for file in sorted(tmp_path.iterdir()):
        assert hs.read_evals(file).table.column("question").to_pylist() == ["1", "2"], file
    zeros = table(tmp_path, "model,question,score\na,007,1\na,7,0\n", "z.csv")
    assert hs.read_evals(zeros).table.column("question").to_pylist() == ["007", "7"]


def test_the_set_of_questions_comes_as_a_list_a_file_or_the_union(tmp_path):
    swe_submissions(tmp_path / "in")
    ids = ["a__b-1", "a__b-2", "a__b-3", "a__c-4", "a__c-5"]
    for given in (ids, put(tmp_path, "ids.txt", "\n".join(ids)), put(tmp_path, "ids.json", ids)):
        evals = hs.read_evals(tmp_path / "in", question_set=given)
        assert len(evals) == 10
    few = hs.read_evals(tmp_path / "in", question_set=ids[:3])
    assert "one id outside the set of questions left out, such as a__c-4" in told(few)
    assert "has none of the ids" in refusal(tmp_path / "in", question_set=["x-1"])
    answers = table(tmp_path, "model,question,score\na,1,1\n")
    assert "no file read needs it" in told(hs.read_evals(answers, question_set="union"))


# ---- to the models --------------------------------------------------------------------------------------------------


def test_shares_and_weights_are_counts_of_runs(tmp_path):
    rng = np.random.default_rng(0)
    model, question = rng.integers(0, 5, 400), rng.integers(0, 9, 400)
    score = rng.integers(0, 3, 400) / 2
    text = "model,benchmark,question,score\n"
    text += "".join(f"m{m},b{q % 2},{q},{s}\n" for m, q, s in zip(model, question, score, strict=True))
    R = hs.read_evals(table(tmp_path, text)).to_observed()
    for row, name in enumerate(R.row_labels):
        for col, label in enumerate(R.col_labels):
            inside = (model == int(name[1:])) & (question == int(label.split("/")[1]))
            if inside.any():
                place = (R.rows == row) & (R.cols == col)
                assert R.values[place] == pytest.approx(score[inside].mean())
                assert R.weights[place] == inside.sum()
    assert R.n_entries == len(set(zip(model.tolist(), question.tolist(), strict=True)))


def test_single_runs_have_no_weights_and_blocks_join_twins(tmp_path):
    text = "model,benchmark,question,score\n" + "".join(
        f"a,{b},{q},1\n" for b in ("HumanEval", "HumanEval+", "Mbpp+", "gsm8k") for q in (1, 2)
    )
    evals = hs.read_evals(table(tmp_path, text))
    R = evals.to_observed()
    assert R.weights is None
    blocks = dict(zip(R.col_labels.tolist(), evals.blocks().tolist(), strict=True))
    assert blocks["HumanEval+/1"] == blocks["HumanEval/2"] == "HumanEval"
    assert blocks["Mbpp+/1"] == "Mbpp+"
    assert blocks["gsm8k/2"] == "gsm8k"


def test_nothing_graded_is_said(tmp_path):
    evals = hs.read_evals(table(tmp_path, "model,question,score\na,1,\n"))
    with pytest.raises(ValueError, match="no trial was graded"):
        evals.to_observed()


def test_the_table_goes_to_other_libraries(tmp_path):
    SAMPLES["long CSV"].write(tmp_path)
    evals = hs.read_evals(tmp_path)
    assert evals.to_frame() is evals.table
    assert list(evals.to_frame("pandas").columns) == evals.to_frame("polars").columns == evals.table.column_names
    with pytest.raises(ValueError, match="backend must be"):
        evals.to_frame("excel")
    assert repr(evals) == (
        "Evaluations(2 models, 1 benchmark, 3 questions, 6 trials: 4 graded, 1 own failure, 1 not graded; 1 problem)"
    )


# ---- files that are none --------------------------------------------------------------------------------------------


def test_one_broken_file_does_not_lose_the_others(tmp_path):
    good = zipped(inspect_members())
    put(tmp_path, "good.eval", good)
    put(tmp_path, "cut.eval", good[: len(good) // 2])
    put(tmp_path, "half.json", '{"eval": {"task": "x", "mod')
    put(tmp_path, "latin.csv", "modèle,question,score\na,1,1\n".encode("latin-1"))
    put(tmp_path, "empty.json", b"")
    put(tmp_path, "deep.json", "[" * 100_000 + "]" * 100_000)
    put(tmp_path, "long.json", '{"a": 1' + "0" * 10_000 + "}")
    put(tmp_path, "cut.parquet", b"PAR1 and nothing behind")
    put(tmp_path, "notes.json", {"nothing": "of interest"})
    evals = hs.read_evals(tmp_path)
    assert len(evals) == 6
    unread = {problem.file.split("/")[-1]: problem for problem in evals.problems if problem.level == "unread"}
    assert set(unread) == {
        "cut.eval", "half.json", "latin.csv", "empty.json", "deep.json", "long.json", "cut.parquet",
    }  # fmt: skip
    assert "not UTF-8" in unread["latin.csv"].what
    assert "nested too deeply" in unread["deep.json"].what
    assert "cut off" in unread["half.json"].what
    assert all(problem.way_out for problem in evals.problems)
    assert "one file of no known format left out" in told(evals)


def test_if_all_files_are_broken_the_first_is_named(tmp_path):
    put(tmp_path, "a.json", "{")
    put(tmp_path, "b.json", "{")
    text = refusal(tmp_path)
    assert "a.json: the file is not JSON, or cut off" in text
    assert "2 files, none could be read" in text
    assert "no evaluation results" in refusal(put(tmp_path / "x", "c.json", {"a": 1}))
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        hs.read_evals(tmp_path / "nowhere")


def test_a_line_that_is_cut_off_loses_only_itself(tmp_path):
    whole = lines({"model": "a", "question": 1, "score": 1}, {"model": "a", "question": 2, "score": 1})
    evals = hs.read_evals(put(tmp_path, "t.jsonl", whole[:-10]))
    assert len(evals) == 1
    assert "line 2 is cut off" in told(evals)


def test_archives_that_claim_too_much_are_refused_before_they_are_unpacked(tmp_path):
    bomb = inspect_members() | {"summaries.json": b"[" + b" " * (64 << 20) + b"]"}
    file = put(tmp_path, "bomb.eval", zipped(bomb, 8))
    assert "no log shrinks so far" in refusal(file)
    assert "the limit is 100" in refusal(put(tmp_path, "a.eval", zipped(inspect_members())), max_bytes=100)
    for method in (0, 8, 93):
        lying = zipped(inspect_members(), method, claim={"summaries.json": 10})
        assert "summaries.json unpacks to" in refusal(put(tmp_path, "lie.eval", lying))
    huge = zipped(inspect_members(), claim={"header.json": 2**31})
    assert "the limit is" in refusal(put(tmp_path, "huge.eval", huge))


def test_a_member_that_is_not_where_the_listing_says_is_refused(tmp_path):
    data = bytearray(zipped(inspect_members()))
    at = data.rindex(b"PK\x01\x02")
    data[at + 42 : at + 46] = struct.pack("<I", 7)
    assert "damaged or cut off" in refusal(put(tmp_path, "a.eval", bytes(data)))
    flipped = bytearray(zipped(inspect_members(), 0))
    place = flipped.index(b'"value": "C"')
    flipped[place + 10] ^= 1
    assert "checksum" in refusal(put(tmp_path, "b.eval", bytes(flipped)))


@pytest.mark.slow
def test_parquet_that_promises_too_many_rows_is_refused(tmp_path):
    rows = pa.table({"model": pa.DictionaryArray.from_arrays(pa.array(np.zeros(200_000, np.int8)), ["a"]),
                     "question": np.zeros(200_000, np.int64), "score": np.zeros(200_000)})  # fmt: skip
    parquet.write_table(rows, tmp_path / "t.parquet")
    text = refusal(tmp_path / "t.parquet", max_bytes=1 << 20)
    assert "promises 200,000 rows" in text
    assert "give max_bytes=12800000" in text
    assert len(hs.read_evals(tmp_path / "t.parquet", max_bytes=12_800_000)) == 200_000


def test_large_text_beyond_the_limit_is_refused_by_its_size(tmp_path):
    file = put(tmp_path, "a.json", {"eval": inspect_spec(), "samples": inspect_summaries()})
    assert f"give max_bytes={file.stat().st_size}" in refusal(file, max_bytes=100)
    assert len(hs.read_evals(file, max_bytes=file.stat().st_size)) == 6


def test_counts_cannot_promise_a_million_runs(tmp_path):
    file = put(tmp_path, "t.jsonl", '{"model": "a", "question": 1, "correct": 1, "count": 1000000000}\n')
    assert "1 right of 1000000000 cannot be" in refusal(file)


def test_ragged_lines_are_refused_with_their_number(tmp_path):
    assert "line 3 has 2 columns, the first one 3" in refusal(table(tmp_path, "model,question,score\na,1,1\na,2\n"))


@pytest.mark.parametrize(("options", "text"), [
    ({"format": "inspekt"}, "format='inspekt' is not known; close: 'inspect'"),
    ({"not_graded": "zero"}, "not_graded must be 'missing' or 'wrong'"),
    ({"max_bytes": 0}, "max_bytes must be a positive whole number"),
    ({"metric": 3}, "metric must be a name or a list of names"),
    ({"question_set": []}, "question_set must hold ids as text"),
    ({"question_set": 5}, "question_set must hold ids as text"),
    ({"model": 3}, "model must be the name of a column or key"),
    ({"rename": {"a": ""}}, "rename must give a new name"),
])  # fmt: skip
def test_bad_arguments_are_named(tmp_path, options, text):
    assert text in refusal(table(tmp_path, "model,question,score\na,1,1\n"), **options)


def test_an_unknown_argument_is_a_type_error(tmp_path):
    with pytest.raises(TypeError, match="read_evals has no argument 'metrics'"):
        hs.read_evals(tmp_path, metrics="x")
    with pytest.raises(ValueError, match="paths is empty"):
        hs.read_evals([])


def test_a_format_that_is_named_is_the_only_one_tried(tmp_path):
    wide_csv(tmp_path)
    assert "no evaluation results" in refusal(tmp_path, format="inspect")


def test_problems_read_as_sentences():
    assert str(Problem("a", "b", "c")) == "a: b; c."


def test_plain_zip_files_of_other_things_are_left_out(tmp_path):
    SAMPLES["long CSV"].write(tmp_path)
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as other:
        other.writestr("readme.txt", "hello")
    assert "of no known format" in told(hs.read_evals(tmp_path))


def test_a_line_per_answer_is_never_taken_for_a_line_per_model(tmp_path):
    lines = [f"m{m},q{q},{(m + q) % 2}" for m in range(3) for q in range(4)]
    path = tmp_path / "answers.csv"
    path.write_text("\n".join(["model,question,right", *lines]))
    assert len(hs.read_evals(path).codes.questions) == 4
    path.write_text("\n".join(["model,question,ok", *lines]))
    with pytest.raises(ValueError, match=r"names the question.*give metric='ok'"):
        hs.read_evals(path)
    assert len(hs.read_evals(path, metric="ok").codes.questions) == 4
