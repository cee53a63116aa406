"""Small pipelines, a feature or a fault each, that DVC and we must understand alike.

A case is the text of a `dvc.yaml`, or a mapping of files. `params.yaml` is PARAMS unless the case
brings its own; None leaves it out.
"""

# ruff: noqa: E501  (a case on one line is read at a glance)

from __future__ import annotations

import json

PARAMS = """\
lr: 0.1
n: 3
b: true
f: false
nul: null
l: [1, 2]
d: {a: 1, b: [x, 'y z'], deep: {er: 5}}
s: str
es: ''
m: [{a: 1}, {a: 2}]
k: {k1: {a: 1}, k2: {a: 2}}
empty: []
axes: {x: [1, 2]}
a b: 5
a-b: 6
é: 7
'@': 8
a+b: 9
a/b: 10
0: 12
'0': 13
esc: 'a \\${w} b'
'dot.ted': 1
ints: {1: a, b: c}
floats: [1e-5, 1e3, 1.0, .inf, .nan, 0x1F, 1_000, 0o17, 123456789012345678901]
words: [on, yes, ~, 010, 1:30]
"""
OPTIONS = (
    "d: {a: 1, b: 1.5, c: str, t: true, f: false, nul: null, es: '', sp: 'a b', q: \"it's\", "
    "dq: 'a\"b', l: [1, 'x y', true, null, false], el: [], ed: {}, n: {x: 1, m: {z: true, "
    "w: false, l: [1, 2]}}, under_score: 2, dollar: $HOME, star: '*', eq: a=b, tilde: ~/x, "
    "pct: '%', at: '@x', comma: 'a,b', plus: a+b, col: a:b, uni: é, nl: \"a\\nb\", neg: -1, "
    "sci: 1e-5}\n"
)
VALUES = "w: 2\nx: 3\nz: {q: 4}\n"
CASES: dict[str, str | dict[str, str | None]] = {}


def case_files(name: str) -> dict[str, str]:
    case = CASES[name]
    files = {"params.yaml": PARAMS, **({"dvc.yaml": case} if isinstance(case, str) else case)}
    return {path: text for path, text in files.items() if text is not None}


def stage(body: str, name: str = "a", top: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"{top}stages:\n  {name}:\n{lines}"


def foreach(data: str, do: str = "cmd: x ${item}") -> str:
    lines = "".join(f"      {line}\n" for line in do.split("\n"))
    return f"stages:\n  a:\n    foreach: {data}\n    do:\n{lines}"


def matrix(axes: str, body: str = "cmd: x ${key}") -> str:
    return stage(f"matrix: {axes}\n{body}")


def with_vars(items: str, cmd: str = "x") -> str:
    return stage(f"cmd: x {cmd}", top=f"vars:\n{items}\n")


# Expressions, within a command.
for _text in (
    "${lr} ${b} ${nul} ${ d.a } ${d.b[1]} ${d.b.0} ${d[a]} ${d[b][0]} ${d[b].1}",
    "${d.b [0]} ${d . a} ${a b} ${a-b} ${é} ${@} ${a+b} ${a/b} ${d[ a ]} ${l[0]} ${l[00]}",
    "${l.00} ${l[-1]} ${l.-1} ${l[ 1 ]} ${l[+1]} ${0} ${b}${b} ${lr}} $${lr} $ {lr} ${\td.a\t}",
    "\\${lr} \\\\${lr} \\\\\\${lr} $\\{lr} ${lr} \\$ \\{ \\${",
    "\\${lr}",
    "$lr ${lr",
    "${lr\n} ${\nlr} ${lr}",
    "${esc}",
    "${esc} \\${w}",
    "awk '{print $1}' ${s}",
    "${floats.0} ${floats.1} ${floats.2} ${floats.3} ${floats.4} ${floats.5} ${floats.6} ${floats.7}",
    "${floats.8} ${words.0} ${words.1} ${words.2} ${words.3} ${words.4}",
    "x ${d.deep} ${ints}",
    *("x ${d['a']}", "x ${d.nope}", "x ${nope}", "x ${l[5]}", "x ${lr.x}", "x ${}", "x ${ }"),
    *("x ${{lr}}", "x ${l}", "x ${d..a}", "x ${d.}", "x ${.d}", "x ${d[a]b}", "x ${lr]}"),
    *("x ${[lr]}", "x ${lr.[x]}", "x ${l.x}", "x ${s.length}", "x ${d[b[0]]}", "x ${1.5}"),
    *("x ${dot.ted}", "x ${ints.1}", "x ${ d.zz [ 0 ] }", "x ${${s}}", "x ${#s}", "x ${s:-q}"),
    "x ${l[1.0]}",
):
    CASES[f"cmd {_text!r}".replace("/", "_")] = json.dumps({"stages": {"a": {"cmd": _text}}})

# Mappings in a command, under every setting.
for _name, _config in {
    "default": "",
    "boolean_optional": "[parsing]\n bool = boolean_optional\n",
    "append": "[parsing]\n list = append\n",
    "both": "[parsing]\n list = append\n bool = boolean_optional\n",
}.items():
    for _kind, _values in {"options": OPTIONS, "nested list": "d: {l: [[1]]}\n"}.items():
        CASES[f"{_kind}, {_name}"] = {
            "params.yaml": _values,
            ".dvc/config": _config,
            "dvc.yaml": stage("cmd: x ${d}"),
        }

# Fields of a stage: (what it shows: body).
for _name, _body in {
    "cmd list": "cmd:\n- echo ${lr}\n- ${s}\n- a ${d.deep}",
    "cmd lines": "cmd: |\n  echo 1\n  echo ${n}",
    "cmd empty": "cmd: ''",
    "cmd int": "cmd: 1",
    "cmd null": "cmd:",
    "cmd missing": "deps: [a]",
    "deps null": "cmd: x\ndeps:",
    "deps no list": "cmd: x\ndeps: ${l}",
    "deps empty": "cmd: x\ndeps: []",
    "deps int": "cmd: x\ndeps:\n- 1",
    "deps typed": "cmd: x\ndeps:\n- ${lr}",
    "deps mapping": "cmd: x\ndeps:\n- ${d}",
    "deps of all kinds": "cmd: x\ndeps: [s3://b/k, /abs/x, ../up, ~/x, ./d/, ' a ', x/../y]",
    "deps twice": "cmd: x\ndeps: [a, a]",
    "deps pointer": "cmd: x\ndeps: [a.dvc]",
    "deps pipeline": "cmd: x\ndeps: [sub/dvc.yaml]",
    "deps empty path": "cmd: x\ndeps: ['']",
    "wdir": "wdir: ${s}/x\ncmd: x\ndeps: [i, ../j, ./k/../z]\nparams: [lr, ../q.yaml: [z]]\nouts: [o]",
    "wdir odd": "wdir: ./sub/../sub/\ncmd: x",
    "wdir dot": "wdir: .\ncmd: x",
    "wdir up": "wdir: ..\ncmd: x",
    "wdir int": "wdir: ${n}\ncmd: x",
    "wdir not a variable": "wdir: ${s}\ncmd: x ${wdir}",
    "flags": "cmd: x\nfrozen: true\nalways_changed: true\ndesc: d ${s}\nmeta: {a: ['${n}', '${s}']}",
    "frozen text": "cmd: x\nfrozen: 'true'",
    "frozen template": "cmd: x\nfrozen: ${b}",
    "desc int": "cmd: x\ndesc: 1",
    "desc mapping": "cmd: x\ndesc: ${d}",
    "desc fault": "cmd: x\ndesc: ${z}",
    "meta fault": "cmd: x\nmeta: {a: ['${z}']}",
    "meta list": "cmd: x\nmeta: {a: '${l}'}",
    "unknown key": "cmd: x\nout: [a]",
    "params": "cmd: x\nparams:\n- z\n- lr\n- d.a\n- p.json:\n- q.yaml: [b, a]\n- r.py: []\n"
    "- q.yaml: [c, a]\n- params.yaml: [k]\n- t.toml:\n  - x\n  s.toml:\n  - y\n- {}",
    "params default file whole": "cmd: x\nparams:\n- params.yaml:\n- lr",
    "params whole wins": "cmd: x\nparams:\n- q.yaml: [a]\n- q.yaml:\n- q.yaml: [b]",
    "params paths differ": "cmd: x\nparams:\n- ./q.yaml: [a]\n- q.yaml: [b]",
    "params twice": "cmd: x\nparams: [lr, lr]",
    "params template": "cmd: x\nparams:\n- ${s}.x\n- ${s}.yaml: ['${s}']",
    "params int": "cmd: x\nparams: [1]",
    "params text": "cmd: x\nparams:\n- q.yaml: a",
    "params mapping": "cmd: x\nparams:\n- q.yaml: {b: c}",
    "params list": "cmd: x\nparams: [[a]]",
    "params list template": "cmd: x\nparams:\n- q.yaml: ${l}",
    "outs": "cmd: x\nouts:\n- ${s}_x:\n    cache: false\n    desc: ${n}x\n    persist: true\n"
    "    push: false\n    remote: r${n}\n    type: t\n    labels: [a, '${s}']\n    meta: {q: '${s}'}",
    "outs two in one": "cmd: x\nouts:\n- o:\n    cache: false\n  p:\n    cache: false",
    "outs no flags": "cmd: x\nouts:\n- o: {}",
    "outs checkpoint": "cmd: x\nouts:\n- o:\n    checkpoint: true",
    "outs null flags": "cmd: x\nouts:\n- o:",
    "outs unknown flag": "cmd: x\nouts:\n- o:\n    caxhe: false",
    "outs flag template": "cmd: x\nouts:\n- o:\n    cache: ${f}",
    "outs twice": "cmd: x\nouts:\n- a\n- b\n- a:\n    cache: false",
    "outs twice, plain last": "cmd: x\nouts:\n- a:\n    cache: false\n- a",
    "outs and metrics": "cmd: x\nouts: [a]\nmetrics: [a]",
    "outs paths": "cmd: x\nouts: [./a//b/../c/, é, 'x y', 'a${n}']",
    "outs escaped": "cmd: x\nouts:\n- \\${w}:\n    cache: false\n- p\\${w}",
    "outs uncached elsewhere": "cmd: x\nouts:\n- /abs/o:\n    cache: false\n- ../o:\n    cache: false",
    "outs int": "cmd: x\nouts: [1]",
    "outs int key": "cmd: x\nouts: [{1: {cache: false}}]",
    "outs plot prop": "cmd: x\nouts: [{p: {x: a}}]",
    "outs desc int": "cmd: x\nouts: [{p: {desc: 1}}]",
    "outs push text": "cmd: x\nouts: [{p: {push: 'no'}}]",
    "outs list key": "cmd: x\nouts: [{'${l}': {cache: false}}]",
    "outs fault": "cmd: x\nouts: [{q: {desc: '${z}'}}]",
    "outs null": "cmd: x\nouts:",
    "outs pointer": "cmd: x\nouts: [x.dvc]",
    "outs in git": "cmd: x\nouts: [.git/x]",
    "metrics": "cmd: x\nmetrics:\n- m.json\n- m2.json:\n    cache: false\n    persist: true",
    "metrics xpath": "cmd: x\nmetrics:\n- m.json:\n    xpath: z",
    "plots": "cmd: x\nplots:\n- p.csv\n- p2.csv:\n    cache: false\n    x: a\n    y: ${s}\n"
    "    header: false\n    title: T\n    template: lin\n    x_label: X\n    y_label: Y\n    desc: d",
    "plots list": "cmd: x\nplots:\n- p.csv:\n  - x: a\n  - x: b",
    "plots y list": "cmd: x\nplots:\n- p.csv:\n    y: [a, b]",
    "plots header text": "cmd: x\nplots: [{p: {header: 'x'}}]",
    "vars of a stage": "vars:\n- v: 1\n- v.yaml\ncmd: echo ${v} ${w}",
    "vars of a stage no list": "cmd: x\nvars: {a: 1}",
    "vars of a stage number": "cmd: x\nvars: [1]",
    "vars of a stage again": "vars:\n- n: 2\ncmd: x",
    "vars of a stage template": "vars:\n- q: ${n}\ncmd: x",
    "vars of a stage missing": "vars:\n- nope.yaml\ncmd: x",
    "vars in wdir": "wdir: sub\nvars:\n- v.yaml\ncmd: x ${w}",
    "vars in wdir by params.yaml": "wdir: sub\nvars:\n- params.yaml\ncmd: x ${p} ${n}",
    "vars in wdir missing": "wdir: sub\nvars:\n- nope.yaml\ncmd: x",
    "vars in wdir missing key": "wdir: sub\nvars:\n- v.yaml:nope\ncmd: x",
    "vars not for wdir": "wdir: ${q}\nvars:\n- q: sub\ncmd: x",
}.items():
    CASES[_name] = {
        "dvc.yaml": stage(_body),
        "v.yaml": VALUES,
        "sub/v.yaml": "w: 9\n",
        "sub/params.yaml": "p: 8\n",
    }

# Names, the top of the file, and files that are none.
CASES |= {
    "name with slash": stage("cmd: x", "a/b"),
    "name with blank": stage("cmd: x", "'a b'"),
    "name with at": stage("cmd: x", "a@b"),
    "name int": stage("cmd: x", "1"),
    "name odd": stage("cmd: x", "é-_1.x"),
    "name no template": stage("cmd: x", "${s}"),
    "name empty": stage("cmd: x", "''"),
    "two stages": "stages:\n  b:\n    cmd: b\n  a:\n    cmd: a\n",
    "no stages": "stages: {}\n",
    "stages null": "stages:\n",
    "stages list": "stages: []\n",
    "stage null": "stages:\n  a:\n",
    "stage text": "stages:\n  a: x\n",
    "top unknown": "stage: {}\n",
    "a list": "- a\n",
    "duplicate key": "stages:\n  a:\n    cmd: x\n  a:\n    cmd: y\n",
    "merge key": "stages:\n  a: &a\n    cmd: x\n    deps: [i]\n  b:\n    <<: *a\n    cmd: y\n",
    "sub-directory": {
        "dvc.yaml": None,
        "sub/dvc.yaml": stage("cmd: x ${n}\nwdir: w\ndeps: [a]\nparams: [n]\nouts: [o]"),
        "sub/params.yaml": "n: sub\n",
    },
    "sub-directory without parameters": {"dvc.yaml": None, "sub/dvc.yaml": stage("cmd: x ${n}")},
    "metrics at the top": "metrics: [m.json, '${s}.json', sub/]\nparams: ['${s}.yaml']\n",
    "metrics null": "metrics:\n",
    "metrics int": "metrics: [1]\n",
    "metrics mapping": "metrics: [{a.json: {cache: false}}]\n",
    "params fault": "params: [a, '${nope}']\n",
    "plots at the top": "plots:\n- img.png\n- cmp:\n    x: e\n    y: {l.json: loss, m.json: [a, b]}\n"
    "    template: simple\n    title: T ${n}\n    x_label: X\n    y_label: Y\n- l.json:\n"
    "    y: [a, b]\n- z:\n    x: {a.json: q}\n    y: r\n- '${s}.csv'\n- ${s}x: {x: '${s}'}\n",
    "plots map": "plots:\n  a.json:\n",
    "plots unknown": "plots:\n- a.json: {z: q}\n",
    "plots header": "plots:\n- a.json: {header: true}\n",
    "plots x int": "plots:\n- a.json: {x: 1}\n",
    "plots x list": "plots:\n- a.json: {x: [q]}\n",
    "plots y list int": "plots:\n- a.json: {y: [1]}\n",
    "plots y map int": "plots:\n- a.json: {y: {f: 1}}\n",
    "plots y map list int": "plots:\n- a.json: {y: {f: [1]}}\n",
    "plots fault": "plots: [{a: {x: '${z}'}}]\n",
    "artifacts": "artifacts:\n  a-b:\n    path: m\n    type: t\n    desc: d\n    labels: [x]\n"
    "    meta: {k: '${s}'}\n  '${s}':\n    path: '${s}/m'\n",
    "artifacts no path": "artifacts:\n  a:\n    type: t\n",
    "artifacts unknown": "artifacts:\n  a:\n    path: t\n    foo: 1\n",
    "artifacts null": "artifacts:\n  a:\n",
    "artifacts list": "artifacts: []\n",
    "artifacts int name": "artifacts:\n  1:\n    path: x\n",
    "artifacts fault": "artifacts: {'${z}': {path: z}}\n",
}

# Variables.
for _name, _items in {
    "inline": "- q: 1\n- r: {s: 2}\n- r: {t: 3}\n  u: 4",
    "inline again": "- r: {s: 1}\n- r: {s: 1}",
    "inline over params": "- n: 1",
    "mapping over leaf": "- n: {c: 1}",
    "leaf over mapping": "- d: 4",
    "list over list": "- l: [3]",
    "nested again": "- d: {deep: {er: 2}}",
    "nested from two": "- d: {deep: {c: 2}}\n- d: {deep: {c: 3}}",
    "nested leaf from two": "- d: {deep: {c: 2}}\n- d: {deep: 3}",
    "file twice": "- v.yaml\n- v.yaml",
    "part twice": "- v.yaml:w\n- v.yaml:w",
    "part, then whole": "- v.yaml:w\n- v.yaml",
    "whole, then part": "- v.yaml\n- v.yaml:w",
    "parts overlap": "- v.yaml:w\n- v.yaml:w,x",
    "part with blank": "- 'v.yaml: w'",
    "part nested": "- v.yaml:z.q",
    "file missing": "- nope.yaml",
    "params.yaml again": "- params.yaml\n- ./params.yaml",
    "params.yaml in part": "- params.yaml:n",
    "file against params": "- u.yaml:n",
    "file against file": "- v.yaml\n- u.yaml:w",
    "inline against file": "- ./v.yaml\n- w: 1",
    "template": "- q: [{a: '${n}'}]",
    "template in name": "- ${n}.yaml",
    "null": "",
    "list": "- [a]",
    "empty mapping": "- {}",
    "empty file": "- e.yaml",
    "date": "- q: {r: [1, 2020-01-01]}",
    "outside": "- ../nope.yaml",
}.items():
    CASES[f"vars {_name}"] = {
        "dvc.yaml": with_vars(_items),
        "v.yaml": VALUES,
        "u.yaml": "w: 5\nn: 7\n",
        "e.yaml": "",
    }
CASES |= {
    "vars used": {"dvc.yaml": with_vars("- q: 1\n- v.yaml:w,x\n- v.yaml:z", "${q} ${w} ${z.q}")}
    | {"v.yaml": VALUES},
    "vars part only": {"dvc.yaml": with_vars("- v.yaml:w", "${x}"), "v.yaml": VALUES},
    "vars merged": with_vars("- d: {c: 1}", "${d.a} ${d.c}"),
    "vars json": {"dvc.yaml": with_vars("- v.json", "${w}"), "v.json": '{"w": 1}'},
    "vars toml": {"dvc.yaml": with_vars("- v.toml", "${w.a}"), "v.toml": "[w]\na = 1"},
    "vars py": {"dvc.yaml": with_vars("- v.py", "${w} ${C.a}"), "v.py": "w=1\nclass C:\n  a=2\n"},
    "vars other": {"dvc.yaml": with_vars("- v.txt", "${w}"), "v.txt": "w: 1"},
    "vars broken": {"dvc.yaml": with_vars("- v.yaml"), "v.yaml": "w: ["},
    "vars no list": "vars: {a: 1}\nstages: {}\n",
    "stage vars merged": "vars:\n- q: {a: 1}\nstages:\n  a:\n    vars:\n    - q: {b: 2}\n"
    "    cmd: x ${q.a}${q.b}\n  b:\n    cmd: y ${q}\n",
    "stage vars stay there": "stages:\n  a:\n    vars:\n    - q: 1\n    cmd: x\n  b:\n    cmd: y ${q}\n",
    "stage vars again": "vars:\n- q: 1\nstages:\n  a:\n    vars:\n    - q: 2\n    cmd: x\n",
    "stage vars part": {
        "dvc.yaml": stage("vars: [v.yaml]\ncmd: x", top="vars:\n- v.yaml:w\n"),
        "v.yaml": VALUES,
    },
    "stage vars by another way": {
        "dvc.yaml": stage("wdir: sub\nvars: [v.yaml]\ncmd: x ${x}", top="vars:\n- sub/v.yaml\n"),
        "sub/v.yaml": "x: 1\n",
    },
    "params no template": {"dvc.yaml": stage("cmd: ${q}"), "params.yaml": "q: ${n}\nn: 1\n"},
    "params date": {"dvc.yaml": stage("cmd: x"), "params.yaml": "t: 2020-01-01\n"},
    "params moment": {
        "dvc.yaml": stage("cmd: x"),
        "params.yaml": "a: {t: [2020-01-01T10:00:00]}\n",
    },
    "params empty": {"dvc.yaml": stage("cmd: x"), "params.yaml": ""},
    "params broken": {"dvc.yaml": stage("cmd: x"), "params.yaml": "a: [\n"},
    "params tag": {"dvc.yaml": stage("cmd: x"), "params.yaml": "a: !foo b\n"},
    "params binary": {"dvc.yaml": stage("cmd: x ${q}"), "params.yaml": "q: !!binary aGk=\n"},
    "params none": {"dvc.yaml": stage("cmd: x"), "params.yaml": None},
}

# Generated stages.
CASES |= {
    "foreach scalars": foreach("[x, 1, 1.5, true, null, 'a b', 1e-7, c:d, a/b]"),
    "foreach twice": foreach("[x, x, 1, '1']"),
    "foreach no key": foreach("[x, 1]", "cmd: x ${key}"),
    "foreach mixed": foreach("[x, {a: 1}]"),
    "foreach lists": foreach("[[a, b], [c]]", "cmd: x ${item[0]}"),
    "foreach mapping": foreach("{k1: 1, k2: z, 3: c}", "cmd: x ${key} ${item}"),
    "foreach mappings": foreach("{k1: {a: 1}, k2: {a: 2}}", "cmd: x ${key} ${item} ${item.a}"),
    "foreach odd keys": foreach("{1.50: 1, null: 2, 0x10: 3, true: 4}", "cmd: x ${item} ${key}"),
    "foreach from list": foreach("${l}"),
    "foreach from mapping": foreach("${k}", "cmd: x ${key} ${item.a}"),
    "foreach from mappings": foreach("${m}", "cmd: x ${item.a}"),
    "foreach scalar": foreach("${s}"),
    "foreach text": foreach("abc"),
    "foreach fault": foreach("${nope}"),
    "foreach int": foreach("5"),
    "foreach null": foreach(""),
    "foreach empty": foreach("[]"),
    "foreach empty mapping": foreach("{}"),
    "foreach from empty": foreach("${empty}"),
    "foreach templates": foreach("['${n}', '${d.a}', 'p${s}']"),
    "foreach list template": foreach("['${l}', x]", "cmd: x"),
    "foreach mapping template": foreach("['${k}']", "cmd: x ${item.k1.a}"),
    "foreach nested template": foreach("[{a: '${n}', b: ['${s}']}]", "cmd: x ${item.b[0]}"),
    "foreach nested fault": foreach("[{q: '${z}'}]"),
    "foreach item options": foreach("[{a: 1, b: x}]"),
    "foreach empty name": foreach("['']"),
    "foreach no do": "stages:\n  a:\n    foreach: [x]\n",
    "do no foreach": "stages:\n  a:\n    do: {cmd: x}\n",
    "foreach and cmd": "stages:\n  a:\n    foreach: [x]\n    cmd: z\n    do: {cmd: x}\n",
    "foreach do unknown": foreach("[x]", "cmd: x\nfoo: 1"),
    "foreach do list": "stages:\n  a:\n    foreach: [a]\n    do: [a]\n",
    "foreach do matrix": foreach("[x]", "matrix: {a: [y]}\ncmd: x ${item}"),
    "foreach do vars": foreach("[x]", "vars: [{q: 1}]\ncmd: x ${q}"),
    "foreach do vars item": foreach("[x]", "vars: [{item: 1}]\ncmd: x"),
    "foreach do vars key": foreach("{x: 1}", "vars: [{key: 1}]\ncmd: x"),
    "foreach do vars key free": foreach("[x]", "vars: [{key: 1}]\ncmd: x ${item} ${key}"),
    "foreach do vars again": foreach("[x]", "vars: [{n: 1}]\ncmd: x"),
    "foreach do vars missing": foreach("[x]", "vars: [no.yaml]\ncmd: x"),
    "foreach do vars template": foreach("[x]", "vars: [{q: '${item}'}]\ncmd: x"),
    "foreach fields": foreach(
        "[x, y]",
        "cmd: x ${item}\nwdir: ${item}\nouts: ['${item}.o']\ndeps: ['${item}.i']\n"
        "params: ['${item}']\nfrozen: true\ndesc: ${item}",
    ),
    "foreach do fault": foreach("{k: x}", "cmd: x ${nope}"),
    "foreach do wdir fault": foreach("[x]", "wdir: ${item.a}\ncmd: x"),
    "foreach no second look": {
        "dvc.yaml": foreach("${l}"),
        "params.yaml": "l: ['${n}']\nn: 1\n",
    },
    "foreach over params": {
        "dvc.yaml": foreach("{x: 1}", "cmd: x ${key} ${item}")
        + "  b:\n    cmd: y ${item} ${key}\n",
        "params.yaml": "item: 5\nkey: 6\n",
    },
    "foreach key of params": {
        "dvc.yaml": foreach("[x]", "cmd: ${key} x"),
        "params.yaml": "key: 6\n",
    },
    "matrix": matrix("{m: [cnn, xgb], f: [1, 2.5, true, null, 'a b']}", "cmd: ${item.m} ${key}"),
    "matrix whole item": matrix("{m: [cnn], f: [1]}", "cmd: x ${item} ${key}"),
    "matrix mappings": matrix("{m: [{a: 1}, [x, y], z], f: [x]}", "cmd: x ${item.f} ${key}"),
    "matrix templates": matrix("{m: '${l}', f: ['${s}', q, '${d}']}"),
    "matrix mapping axis": matrix("{m: '${k}'}", "cmd: x ${key} ${item.m}"),
    "matrix text axis": matrix("{m: xy}"),
    "matrix scalar axis": matrix("{m: '${n}'}"),
    "matrix empty axis": matrix("{m: [], f: [1]}"),
    "matrix empty": matrix("{}"),
    "matrix twice": matrix("{m: [a, a]}"),
    "matrix names meet": matrix("{m: [a, a-b], f: [b-c, c]}", "cmd: x ${item.m} ${item.f}"),
    "matrix axis names": matrix("{'a b': [1], c-d: [2]}", "cmd: x ${item.a b} ${item.c-d}"),
    "matrix axis mapping": matrix("{m: {a: 1, b: 2}}"),
    "matrix axis null": matrix("{m: }"),
    "matrix axis int": matrix("{m: 5}"),
    "matrix axis int name": matrix("{1: [a]}"),
    "matrix template": matrix("${axes}"),
    "matrix list": matrix("[a]"),
    "matrix and foreach": "stages:\n  a:\n    matrix: {a: [1]}\n    foreach: [1]\n    do: {cmd: x}\n",
    "matrix vars": matrix("{m: [1]}", "vars: [{q: 7}]\ncmd: x ${q} ${item.m}"),
    "matrix vars not for axes": matrix("{m: '${q}'}", "vars: [{q: [7]}]\ncmd: x"),
    "matrix nested fault": matrix("{m: ['${z}']}"),
}

# What DVC loads and fails on later, or worse: (case, part of our words).
REFUSED = {
    "cmd typed": "expected str, in stages -> a -> cmd",
    "cmd mapping": "Cannot interpolate data of type 'dict'",
    "outs at the root": "cannot be an output",
    "outs no path": "it is empty",
    "outs outside": "it leaves the project",
    "outs in an outside wdir": "it leaves the project",
    "outs url": "a cached output cannot be a URL",
    "outs of git": "belongs to DVC or Git",
    "outs lock": "belongs to DVC or Git",
    "empty file": "it is empty",
    "dataset no type": "required key not provided, in datasets -> 0 -> type",
    "group and member": "cannot contain punctuation",
    "params null": "expected str",
}
CASES |= {
    "cmd typed": stage("cmd: ${lr}"),
    "cmd mapping": stage("cmd: ${d.deep}"),
    "outs at the root": stage("cmd: x\nouts: [.]"),
    "outs no path": stage("cmd: x\nouts: ['']"),
    "outs outside": stage("cmd: x\nouts: [../o]"),
    "outs in an outside wdir": stage("cmd: x\nwdir: /tmp/elsewhere\nouts: [o]"),
    "outs url": stage("cmd: x\nouts: ['s3://b/o']"),
    "outs of git": stage("cmd: x\nouts: [.gitattributes]"),
    "outs lock": stage("cmd: x\nouts: [dvc.lock]"),
    "empty file": "# nothing but a comment\n",
    "dataset no type": "datasets:\n- name: d\n  url: ../x\n",
    "group and member": foreach("[x]") + "  a@x:\n    cmd: z\n",
    "params null": stage("cmd: x\nparams: [{a.yaml: [null]}]"),
}

# What we do otherwise, on purpose: docs/compat.md.
DIFFERENT = ["option name for the shell"]
CASES |= {
    "option name for the shell": {
        "dvc.yaml": stage("cmd: x ${d}"),
        "params.yaml": "d: {'k; touch pwned': 1}\n",
    },
}

PYTHON_SOURCES = [
    "A = 1\nB: float = 2.5\nC: int\nD = E = 3\nF, G = 1, 2\nH = -1\nI = +1\nJ = 's' 't'\nK = None\n",
    "L = [1, 2, [3]]\nM = {'a': 1, 'b': {'c': 2}}\nN = 1 + 2\nP = f'x'\nQ = True\nR = 1_000\n",
    "U = [1, N]\nV = {'a': N}\nW = not True\nZ = 2 ** 3\nAA += 1\nBB.attr = 5\nCC['x'] = 6\n",
    "if True:\n    c = 1\nfor i in [1]:\n    l = 2\ntry:\n    t = 1\nfinally:\n    f = 1\n",
    "with open('x'):\n    w = 1\nwhile False:\n    h = 1\nmatch 1:\n    case 1:\n        x = 1\n",
    "class T:\n    z = 5\n    y: int = 6\n    n: str\n    def __init__(self):\n        self.a = 1\n"
    "        self.b: int = 2\n        self.c = N\n        if True:\n            self.d = 3\n"
    "        loc = 4\n        self.e.f = 5\n    def other(self):\n        self.g = 7\n"
    "    class U:\n        v = 8\n        class W:\n            x = 9\n    if True:\n        q = 1\n",
    "class Empty: pass\nclass Der(T):\n    k = {'a': [1]}\ndef fun():\n    inner = 1\n",
    "if A:\n    class In:\n        x = 1\nL = []\nD = {}\nM = [-1, +2]\na = 1; b = 2\n(c) = 1\n",
    "class A:\n a = 1\nclass A:\n b = 2\n",
    "class A:\n def __init__(self):\n  self.x = 1\n x = 2\n",
    "class A:\n x = 2\n def __init__(self):\n  self.x = 1\n",
    "class A:\n def __init__(this):\n  this.x = 1\n  self.y = 2\n",
    "class A:\n async def __init__(self):\n  self.x = 1\n",
    "a = - 1.5\nb = -(-1)\nc = ~1\nd = 'x' * 3\ne = 1 if True else 2\nf = {'a': 1, 'a': 2}\n",
    "a = 1\na = b\nx = 1\ndel x\nS = '''a\nb'''\nU = 'é'\n[p, q] = [1, 2]\n",
    "a = '\\d'\n",
    "x =\n",
    "\ufeffa = 1\n",
    "",
]
