"""Pipelines: `dvc.yaml` to stages. What DVC makes of each: tests/compat/test_pipeline_oracle.py."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pannier.core.errors import InvalidFile
from pannier.core.stage import Dep, Out, ParamsDep, Stage
from pannier.formats import pipeline, yamlio
from pannier.formats.pipeline import Pipeline, PipelineOptions
from pannier.formats.template import Unresolved
from tests.compat.pipelines import CASES, case_files

NAMES = st.text(st.sampled_from("abcxyz019_- é"), min_size=1, max_size=6).filter(
    lambda name: name == name.strip()
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
RAW_STAGES = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"cmd": NAMES | st.lists(NAMES, max_size=3)},
        optional={
            "wdir": PATHS,
            "deps": st.lists(PATHS, max_size=3),
            "outs": st.lists(PATHS, max_size=3, unique=True),
            "params": st.lists(NAMES, max_size=3, unique=True),
            "frozen": st.booleans(),
            "desc": NAMES,
        },
    ),
    max_size=4,
)
SCALARS = st.integers(0, 9) | st.booleans() | NAMES | st.none()
untimed = settings(deadline=None)


def parse(text: str, file: str = "dvc.yaml", **files: str) -> Pipeline:
    """files: params_yaml="..." stands for `params.yaml`, sub__v_yaml for `sub/v.yaml`."""
    known = {
        name.replace("__", "/").replace("_", "."): content.encode()
        for name, content in files.items()
    }
    return pipeline.parse(text.encode(), file, known.get, PipelineOptions())


def only(text: str, **files: str) -> Stage:
    (stage,) = parse(text, **files).stages
    return stage


def test_a_stage_has_all_that_its_definition_says() -> None:
    text = """\
stages:
  train:
    desc: learns
    cmd: python train.py ${lr}
    wdir: src
    deps: [train.py, ../data]
    params: [lr, other.toml: [a.b], all.json: ]
    outs:
    - model:
        persist: true
        push: false
        remote: r
        desc: d
    metrics:
    - m.json:
        cache: false
    plots:
    - p.csv:
        x: step
    frozen: true
    always_changed: true
    meta: {owner: me}
"""
    expected = Stage(
        file="dvc.yaml",
        name="train",
        wdir="src",
        outs=(
            Out("model", persist=True, push=False, remote="r", extra={"desc": "d"}),
            Out("m.json", cache=False, kind="metric"),
            Out("p.csv", kind="plot", extra={"x": "step"}),
        ),
        deps=(Dep("train.py"), Dep("../data")),
        params=(
            ParamsDep("params.yaml", ("lr",)),
            ParamsDep("other.toml", ("a.b",)),
            ParamsDep("all.json"),
        ),
        cmd="python train.py 0.1",
        frozen=True,
        always_changed=True,
        desc="learns",
        meta={"owner": "me"},
    )

    assert expected == only(text, params_yaml="lr: 0.1\n")


@untimed
@given(raw=RAW_STAGES)
def test_without_expressions_a_stage_is_what_is_written(raw: dict[str, Any]) -> None:
    stages = parse(json.dumps({"stages": raw})).stages

    assert list(raw) == [stage.name for stage in stages]
    for stage in stages:
        fields = raw[str(stage.name)]
        cmd = fields["cmd"]
        assert (tuple(cmd) if isinstance(cmd, list) else cmd) == stage.cmd
        assert fields.get("wdir", "") == stage.wdir
        assert fields.get("deps", []) == [dep.path for dep in stage.deps]
        assert fields.get("outs", []) == [out.path for out in stage.outs]
        assert fields.get("params", []) == [n for one in stage.params for n in one.wanted]
        assert fields.get("frozen", False) == stage.frozen
        assert fields.get("desc") == stage.desc


@untimed
@given(items=st.lists(SCALARS, max_size=6))
def test_a_group_over_scalars_has_a_stage_for_each(items: list[Any]) -> None:
    do = {"cmd": "run ${item}", "outs": ["o/${item}"]}
    shown = list(dict.fromkeys(str(i).lower() if isinstance(i, bool) else str(i) for i in items))

    stages = parse(json.dumps({"stages": {"g": {"foreach": items, "do": do}}})).stages

    assert [f"g@{text}" for text in shown] == [stage.name for stage in stages]
    assert [f"run {text}" for text in shown] == [stage.cmd for stage in stages]
    assert [f"o/{text}" for text in shown] == [stage.outs[0].path for stage in stages]


@untimed
@given(
    axes=st.dictionaries(
        NAMES,
        st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True),
        min_size=1,
        max_size=3,
    )
)
def test_a_matrix_has_a_stage_for_each_combination(axes: dict[str, list[int]]) -> None:
    shown = " ".join("${item." + axis + "}" for axis in axes)

    stages = parse(
        json.dumps({"stages": {"m": {"matrix": axes, "cmd": f"{shown} ${{key}}"}}})
    ).stages

    combinations = list(itertools.product(*axes.values()))
    assert ["m@" + "-".join(map(str, one)) for one in combinations] == [s.name for s in stages]
    assert [" ".join(map(str, one)) + " " + "-".join(map(str, one)) for one in combinations] == [
        stage.cmd for stage in stages
    ]


def test_members_of_a_group_do_not_see_each_other() -> None:
    text = """\
stages:
  g:
    foreach: {a: {x: 1}, b: {y: 2}}
    do:
      vars: [{own: '1'}]
      cmd: run ${item.x} ${own}
"""
    with pytest.raises(Unresolved, match=r"stages.g@b.cmd.*Could not find 'item.x'"):
        parse(text)


def test_the_file_in_a_sub_directory_has_its_own_variables_and_paths() -> None:
    text = "vars: [v.yaml]\nstages:\n  a:\n    cmd: ${n} ${w}.\n    wdir: ../x\n    outs: [o]\n"

    (stage,) = parse(text, "sub/dvc.yaml", sub__params_yaml="n: 1\n", sub__v_yaml="w: 2\n").stages

    assert ("1 2.", "x", "x/o") == (stage.cmd, stage.wdir, stage.path_of(stage.outs[0]))


def test_lists_at_the_top_are_kept_aside() -> None:
    parsed = parse(
        "metrics: ['${s}.json']\nparams: [p.yaml]\nplots:\n- a.csv\n- b: {x: '${s}'}\n"
        "artifacts: {m: {path: '${s}'}}\ndatasets: [{name: d, type: url, url: 's3://${s}'}]\n",
        params_yaml="s: x\n",
    )

    assert (
        Pipeline(
            stages=[],
            metrics=("x.json",),
            params=("p.yaml",),
            plots=(("a.csv", None), ("b", {"x": "x"})),
            artifacts={"m": {"path": "x"}},
            datasets=({"name": "d", "type": "url", "url": "s3://x"},),
        )
        == parsed
    )


def test_variables_hidden_by_a_group_are_told() -> None:
    text = "stages:\n  g:\n    foreach: {a: 1}\n    do: {cmd: x}\n"

    parsed = parse(text, params_yaml="item: 1\nkey: 2\n")

    assert (
        "item and key are already specified, will be overwritten for stages generated from 'g'",
    ) == parsed.warnings


def test_values_from_outside_of_the_project_are_told() -> None:
    files = {"../v.yaml": b"w: 1\n"}
    text = b"vars: [../v.yaml]\nstages:\n  a:\n    cmd: x ${w}\n"

    parsed = pipeline.parse(text, "dvc.yaml", files.get, PipelineOptions())

    assert "x 1" == parsed.stages[0].cmd
    assert ("'dvc.yaml' takes values from '../v.yaml', outside of the project",) == parsed.warnings


@pytest.mark.parametrize("value", ["a; touch P", "a$(touch P)", "a`touch P`", "a|b", "a\nb", "a>b"])
def test_a_text_in_a_command_that_is_more_than_words_is_told(value: str) -> None:
    """S8: it is pasted as it is, as DVC does. Mappings are quoted; all else is no command line."""
    files = {"params.yaml": json.dumps({"x": value, "good": "a b's *", "m": {"k": value}}).encode()}
    stages = "{cmd: 'run ${x}'}", "{cmd: 'run ${good} ${m}', desc: '${x}'}", "{cmd: '${x}'}"
    text = "stages:\n" + "".join(f"  s{n}: {one}\n" for n, one in enumerate(stages))

    parsed = pipeline.parse(text.encode(), "dvc.yaml", files.get, PipelineOptions())

    told = "'stages.s0.cmd' of 'dvc.yaml' takes in a text from '${x}'"
    assert f"run {value}" == parsed.stages[0].cmd
    assert [told] == [warning.partition(" that the shell")[0] for warning in parsed.warnings]


@pytest.mark.parametrize("text", ["", "# comment\n", "---\n", "null\n"])
def test_an_empty_file_is_an_error(text: str) -> None:
    with pytest.raises(InvalidFile, match="it is empty"):
        parse(text)


def test_a_wrong_key_is_told_with_its_place() -> None:
    with pytest.raises(InvalidFile) as caught:
        parse("stages:\n  a:\n    cmd: x\n    out: [y]\n")

    assert "extra keys not allowed, in stages -> a -> out" in str(caught.value)
    assert ("dvc.yaml", 4) == (caught.value.path, caught.value.line)


def test_a_fault_of_an_expression_has_the_line_of_its_field() -> None:
    with pytest.raises(Unresolved) as caught:
        parse("stages:\n  a:\n    cmd: x\n    deps:\n    - ${nope}\n")

    assert 4 == caught.value.line


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "/etc/x", "a/../../x", ".git/hooks/x", "sub/.GIT/x", ".dvc/config", "a/.dvc/x"),
        *(
            "x.dvc",
            "dvc.yaml",
            "sub/dvc.lock",
            ".gitignore",
            ".dvcignore",
            ".",
            "",
            "a/..",
            "g/git~1",
        ),
        *("s3://bucket/x", "sub"),
    ],
)
def test_no_output_may_lie_where_it_could_harm(path: str) -> None:
    raw = {"stages": {"a": {"cmd": "x", "wdir": "..", "outs": [path]}}}

    with pytest.raises(InvalidFile, match="cannot be an output"):
        parse(json.dumps(raw), "sub/dvc.yaml")


def test_an_expression_cannot_lead_an_output_out_of_the_project() -> None:
    text = "stages:\n  a:\n    cmd: x\n    outs: ['${o}']\n"

    with pytest.raises(InvalidFile, match="it leaves the project"):
        parse(text, params_yaml="o: ../x\n")


@pytest.mark.parametrize("field", ["deps: ['${n}']", "wdir: ${n}", "outs: ['${l}']", "cmd: ${n}"])
def test_a_path_or_command_is_never_a_number(field: str) -> None:
    text = "stages:\n  a:\n    cmd: x\n".replace(
        "    cmd: x\n", "" if "cmd" in field else "    cmd: x\n"
    )

    with pytest.raises(InvalidFile):
        parse(f"{text}    {field}\n", params_yaml="n: 1\nl: [a]\n")


def test_a_nul_cannot_come_in_through_an_expression() -> None:
    text = "stages:\n  a:\n    cmd: x\n    deps: ['${p}']\n"

    with pytest.raises(InvalidFile, match="NUL"):
        parse(text, params_yaml='p: "a\\0b"\n')


def test_a_small_matrix_cannot_stand_for_any_number_of_stages() -> None:
    axes = {f"axis{index}": list(range(100)) for index in range(8)}

    with pytest.raises(InvalidFile, match="more than 100000 stages"):
        parse(json.dumps({"stages": {"m": {"matrix": axes, "cmd": "x"}}}))


def test_groups_together_cannot_stand_for_any_number_of_stages() -> None:
    def axes(count: int) -> dict[str, list[int]]:
        return {"a": list(range(count)), "b": list(range(1000))}

    stages = {f"m{count}": {"matrix": axes(count), "cmd": "x"} for count in (1, 100)}

    with pytest.raises(InvalidFile, match="more than 100000 stages"):
        parse(json.dumps({"stages": stages}))


def test_a_group_cannot_repeat_a_long_definition_without_end() -> None:
    do = {"cmd": "x ${item}", "deps": [f"d{index}" for index in range(50_000)]}

    with pytest.raises(InvalidFile, match="more than 2000000 values"):
        parse(json.dumps({"stages": {"g": {"foreach": list(range(50_000)), "do": do}}}))


def test_a_group_of_many_stages_does_not_copy_the_variables_for_each() -> None:
    """Two thousand members and as many parameters: four million copied values would show."""
    params = json.dumps({f"p{index}": index for index in range(2000)} | {"l": list(range(2000))})
    text = "stages:\n  g:\n    foreach: ${l}\n    do: {cmd: 'x ${item} ${p1999}'}\n"

    parsed = pipeline.parse(
        text.encode(), "dvc.yaml", {"params.yaml": params.encode()}.get, PipelineOptions()
    )

    assert "x 1999 1999" == parsed.stages[-1].cmd


def test_each_parameter_file_is_read_once() -> None:
    asked: list[str] = []

    def read(path: str) -> bytes | None:
        asked.append(path)
        return b"w: 1\n" if path == "v.yaml" else None

    text = "stages:\n  g:\n    foreach: [a, b, c]\n    do: {cmd: 'x ${w}', vars: [v.yaml]}\n"
    pipeline.parse(text.encode(), "dvc.yaml", read, PipelineOptions())

    assert ["params.yaml", "v.yaml"] == asked


def test_a_document_can_be_read_once_for_many_revisions() -> None:
    """Reading a pipeline changes nothing of the document, nor does what was read of it before."""

    def read(document: Any, data: bytes, files: dict[str, bytes]) -> str:
        try:
            options = PipelineOptions()
            return repr(pipeline.parse_document(document, data, "dvc.yaml", files.get, options))
        except InvalidFile as error:
            return error.message

    for name in CASES:
        files = {path: text.encode() for path, text in case_files(name).items()}
        data = files.get("dvc.yaml", b"")
        try:
            document, again = yamlio.load(data, "dvc.yaml"), yamlio.load(data, "dvc.yaml")
        except InvalidFile:
            continue
        expected = read(again, data, files)

        read(document, data, {})

        assert expected == read(document, data, files), name
        assert repr(yamlio.load(data, "dvc.yaml")) == repr(document), name
