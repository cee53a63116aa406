"""dvc.api answers as real DVC's does: one process of each is asked the same questions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_scenes import make_data, make_values
from tests.support.browse import make_scenes
from tests.support.oracle import Oracle
from tests.support.programs import REPOSITORY, oracle_path, run
from tests.support.wanted import is_wanted

pytestmark = pytest.mark.xdist_group("api")  # what all of these ask about is made once

Question = tuple[str, str]
"""(folder, expression); {base} in the expression is the folder of all scenes."""

SORTED_LS = (
    "sorted((r for r in fs({0}).ls('/',detail=True) if not r['name'].endswith(('link','lnk'))),"
    "key=lambda row:row['name'])"
)
LOOKS = (
    SORTED_LS,
    "sorted(fs({0}).ls('',detail=False))",
    "sorted(fs({0}).ls('/far/',detail=False))",
    "fs({0}).ls('/far/one',detail=True)",
    "fs({0}).ls('nope')",
    "sorted(fs({0}).ls('d',dvc_only=True,detail=False))",
    "sorted(fs({0}).ls('/',detail=False,dvcfiles=True))",
    "[fs({0}).info(p) for p in ('/','','d','far','far/deep','lone','code/run.sh','link')]",
    "fs({0}).find('/')",
    "fs({0}).find('')",
    "fs({0}).find('far/one')",
    "fs({0}).find('nope')",
    "fs({0}).find('/',dvc_only=True)",
    "fs({0}).find('far',withdirs=True)",
    "fs({0}).find('/',maxdepth=1)",
    "sorted((a,sorted(b),sorted(c)) for a,b,c in fs({0}).walk('/'))",
    "sorted((a,sorted(b),sorted(c)) for a,b,c in fs({0}).walk('far'))",
    "fs({0}).glob('**/*a*')",
    "fs({0}).glob('far/*')",
    "fs({0}).glob('/far/**')",
    "[fs({0}).exists(p) for p in ('','/','d','nope','far/one','far/nope','lost','d.dvc','.dvc',"
    "'.dvc/config','.git/HEAD')]",
    "[fs({0}).isdir(p) for p in ('','d','d/a','nope','far/deep','lost')]",
    "[fs({0}).isfile(p) for p in ('','d','d/a','nope','far/one','lost','d.dvc')]",
    "[fs({0}).isdvc(p) for p in ('d','d/a','nope','far/one','code','code/a.py','')]",
    "fs({0}).cat('d/a')",
    "fs({0}).cat(['far/one','lone'])",
    "fs({0}).cat('far',recursive=True)",
    "fs({0}).cat('lost')",
    "fs({0}).cat('far')",
    "fs({0}).cat_file('lone',2,7)",
    "fs({0}).head('lone',4)",
    "fs({0}).read_text('text')",
    "fs({0}).open('text','r',encoding='utf8',newline='').read()",
    "fs({0}).open('lone','wb')",
    "fs({0}).pipe('x',b'1')",
    "sorted(fs({0}).du('code',total=False).items())",
    "fs({0}).get_file('lost','{base}/out')",
    "fs({0}).get('nope','{base}/out')",
    "got(fs({0}),'far','{base}/out')",
    "got(fs({0}),'far/','{base}/out/')",
    "got(fs({0}),'d','{base}/out')",
    "got(fs({0}),'lone','{base}/out')",
)
READS = (
    "api.read('d/a')",
    "api.read('both.csv')",
    "api.read('text')",
    "api.read('text',mode='rb')",
    "api.read('text',encoding='latin-1')",
    "lines('text')",
    "api.read('far/deep/two')",
    "api.read('lost')",
    "api.read('far/nope')",
    "api.read('far')",
    "api.read('code')",
    "api.read('')",
    "api.read('link')",
    "api.read('untracked')",
    "api.read('d.dvc')",
    "api.read('./far/../lone')",
    "api.read('../x')",
    "api.read('/lone')",
    "opened('lone','.','v1','store','rb')",
    "opened('lone',mode='w')",
    "opened('lone',mode='r+')",
    "api.open('lone',mode='a')",
    "api.open('lone').read()",
    "sought('lone',(5,3),(0,4),(16,99))",
    "api.read('lone',remote='nope')",
    "api.read('lone',config={'core':{'remote':'n'},'remote':{'n':{'url':'{base}/data-store'}}})",
    "api.read('lone',config={'core':{'remote':'n'}})",
    "api.read('lone',config={'core':{'autostage':True}})",
    "api.read('lone',remote_config={'url':'/nowhere'})",
    "api.get_url('d')",
    "api.get_url('far/one')",
    "api.get_url('code/a.py')",
    "api.get_url('both.csv',remote='other')",
    "api.get_url('both.csv',remote='nope')",
    "api.get_url('lost',rev='v1')",
    "api.get_url('both.csv',remote_config={'url':'/elsewhere'})",
    "api.get_url('both.csv',rev='nope')",
    "api.all_branches()",
    "api.all_tags()",
    "api.all_commits()",
    "api.read('both.csv',rev='v1')",
    "api.read('untracked',rev='v1')",
    "api.read('code/a.py',rev='side')",
    "api.read('d/new',rev='v1')",
    "api.read('d/a',rev='nope')",
)
VALUES = (
    *(f"api.params_show({args})" for args in ("", "deps=True", "rev='v1'", "rev='v1',deps=True")),
    *(
        f"api.params_show(stages={s})"
        for s in ("'train'", "['train','eval']", "'each'", "'each@one'")
    ),
    *(f"api.params_show(stages='sub/dvc.yaml{s}')" for s in (":inner", "")),
    "api.params_show('params.yaml')",
    "api.params_show('params.yaml','extra.yaml')",
    "api.params_show('unused.yaml')",
    "api.params_show('unused.yaml',deps=True)",
    "api.params_show('params.yaml','nope.yaml')",
    "api.params_show('params.yaml',stages='train')",
    "api.params_show('conf.py')",
    "api.params_show('conf.toml')",
    "api.params_show('sub')",
    "api.params_show('unused.yaml',rev='v1')",
    "api.params_show(rev='nope')",
    "api.params_show(repo='.')",
    "api.params_show(repo='file://{base}/values')",
    "api.params_show(repo='file://{base}/values',rev='v1',deps=True)",
    *(f"api.metrics_show({args})" for args in ("", "rev='v1'", "rev='v2'", "'sub'", "'list.json'")),
    *(f"api.metrics_show('{name}')" for name in ("plain.json", "conf.toml", "deep.json", "nope")),
    "api.metrics_show('m.json','e.yaml')",
    "api.metrics_show('m.json','plain.json',rev='v1')",
    "api.metrics_show('cached.json')",
    "api.metrics_show(repo='file://{base}/values')",
    "api.artifacts_show('model')",
    "api.artifacts_show('model',repo='file://{base}/values')",
    *(f"api.artifacts_show('model',version='{v}')" for v in ("v1.0.0", "1.0.0", "v9")),
    *(f"api.artifacts_show('model',stage='{s}')" for s in ("prod", "dev", "nope")),
    "api.artifacts_show('model','v1.0.0','prod')",
    *(f"api.artifacts_show('{name}')" for name in ("raw", "nope", "sub:other", ":model", "")),
)
BROWSED = ("changed", "gone", "remote", "mono/part", "outer", "pipeline")
CASES: dict[str, list[Question]] = {
    "looks": [("data", look.replace("{0}", "")) for look in LOOKS],
    "looks at a revision": [("data", look.replace("{0}", "rev='v1'")) for look in LOOKS[::4]],
    "reads": [("data", read) for read in READS],
    "elsewhere": [
        (".", question.replace("{repo}", repo))
        for repo in ("'{base}/data'", "'file://{base}/data'")
        for question in (
            "api.read('far/one',repo={repo})",
            "api.read('lone',repo={repo},rev='v1')",
            "api.read('nope',repo={repo})",
            "api.read('untracked',repo={repo})",
            "api.get_url('far',repo={repo})",
            "api.all_tags({repo})",
            "fs({repo}).find('/')",
            "fs({repo},rev='v1').cat('far/one')",
        )
    ],
    "below the root": [
        ("data/code", question)
        for question in (
            "api.read('a.py')",
            "api.read('code/a.py')",
            "api.read('a.py',repo='.')",
            "api.read('code/a.py',rev='v1')",
            "api.read('code/a.py',repo='{base}/data/code')",
            "api.get_url('../d')",
            "api.get_url('d')",
            "sorted(fs().ls('',detail=False))",
            "sorted(fs().ls('.',detail=False))",
            "fs().find('../far')",
            "fs().cat('../d/a')",
            "fs().info('a.py')",
        )
    ],
    "values": [("values", question) for question in VALUES],
    "values below the root": [
        ("values/sub", question)
        for question in (
            "api.params_show()",
            "api.params_show(stages='inner')",
            "api.params_show(stages='../dvc.yaml:train')",
            "api.params_show('../params.yaml')",
            "api.metrics_show()",
            "api.metrics_show('s.json')",
            "api.artifacts_show('model')",
        )
    ],
    "scenes": [
        *((scene, SORTED_LS.format("")) for scene in BROWSED),
        *((scene, "fs().find('/')") for scene in ("gone", "outer", "no-git")),
        *(
            (scene, question)
            for scene in ("whole", "outer", "pipeline")
            for question in ("fs(rev='v1').find('/')", "fs(rev='v1').find('/',dvc_only=True)")
        ),
        ("outer", "api.read('inner/dd/1')"),
        ("outer", "api.read('inner/dd/1',rev='v1')"),
        ("gone", "api.read('d/sub/deep/er/c')"),
        ("changed", "api.read('d/sub/b')"),
        ("remote", "api.read('d/a')"),
        ("no-git", "api.read('x/1',rev='v1')"),
    ],
}
TOP = {"top.json": 0.75}
BRANCHES = ["main", "side"]
LINK = (["other"], ["file"])
DIFFERENT: list[tuple[str, Question, Any, Any]] = [
    ("api-sizes", ("data", "fs().du('d')"), 4, 9),
    ("api-sizes", ("data", "fs(rev='v1').size('far/one')"), None, 8),
    ("api-links", ("data", "api.read('link',rev='v1')"), "code/a.py", "a = 1\n"),
    (
        "api-metric-alone",
        ("values", "api.metrics_show('top.json')"),
        "TypeError",
        {"top.json": 0.75},
    ),
    (
        "api-targets",
        ("values/sub", "api.params_show('params.yaml')"),
        {"a": 1, "b": {"c": 2, "d": [1, 2]}, "list": ["x", "y"], "train": {"lr": 0.3, "n": 3}},
        {"y": 25, "z": 26},
    ),
    (
        "api-targets",
        ("values", "api.metrics_show('m.json',repo='file://{base}/values',rev='v2')"),
        "FileNotFoundError",
        {"acc": 0.75},
    ),
    (
        "api-subrepos",
        ("outer", "fs(subrepos=True).find('/')"),
        ["/.gitignore", "/o"],
        ["/.gitignore", "/inner/.gitignore", "/inner/dd/1", "/inner/f", "/o"],
    ),
    (
        "api-subrepos",
        ("mono/part", "fs(rev='v1').find('/')"),
        ["/README", "/plain/p"],
        ["/.gitignore", "/code.py", "/dd/1", "/dd/2", "/nested/.gitignore", "/nested/x"],
    ),
    ("api-links", ("data", "[r['type'] for r in fs().ls('/') if r['name']=='/link']"), *LINK),
    ("api-outside", (".", "api.read('x')"), "PathMissingError", "NotDvcRepoError"),
    ("api-outside", (".", "api.all_tags()"), "CloneError", "NotDvcRepoError"),
    ("api-read-only", ("data", "fs().rm('lone')"), "NotImplementedError", "OSError"),
    ("api-read-only", ("data", "fs().mkdir('new')"), None, "OSError"),
    (
        "api-branches",
        (".", "api.all_branches('file://{base}/data')"),
        ["main"],
        ["main", "side"],
    ),
    (
        "api-remote-named",
        ("data", "api.read('both.csv',remote='no')"),
        "edited\n",
        "RemoteNotFound",
    ),
]


def ask(python: Path, base: Path, questions: list[Question], site: Path) -> list[Any]:
    script = REPOSITORY / "tests" / "support" / "api_answers.py"
    asked = [
        (str(base / folder), expression.replace("{base}", str(base)))
        for folder, expression in questions
    ]
    done = run(
        [python, script],
        stdin=json.dumps(asked),
        check=True,
        env={"DVC_SITE_CACHE_DIR": str(site), "DVC_NO_ANALYTICS": "1"},
    )
    answers: list[Any] = done.json
    return answers


@pytest.fixture(scope="module")
def answers(
    tmp_path_factory: pytest.TempPathFactory, oracle: Oracle
) -> dict[Question, tuple[Any, Any]]:
    """Question -> (what real DVC answers, what we do). Scenes are real DVC's."""
    base = tmp_path_factory.mktemp("api")
    make_scenes(base, oracle)
    make_data(base, oracle)
    make_values(base, oracle)
    questions = [question for case in CASES.values() for question in case]
    questions += [question for _, question, _, _ in DIFFERENT]
    site = tmp_path_factory.mktemp("site")
    theirs = ask(oracle_path().with_name("python"), base, questions, site)
    ours = ask(Path(sys.executable), base, questions, site)
    return dict(zip(questions, zip(theirs, ours, strict=True), strict=True))


def _only(left: Any, right: Any) -> Any:
    """Of two lists what is in the first alone; else the first."""
    if isinstance(left, list) and isinstance(right, list):
        return [item for item in left if item not in right]
    return left


@pytest.mark.parametrize("case", CASES)
def test_the_api_answers_as_dvc(answers: dict[Question, tuple[Any, Any]], case: str) -> None:
    different = [
        f"in {question}:\n  DVC  {_only(theirs, ours)}\n  ours {_only(ours, theirs)}"
        for question in CASES[case]
        for theirs, ours in [answers[question]]
        if theirs != ours
    ]

    assert not different, "\n".join(different)


@pytest.mark.parametrize(
    ("row", "question", "theirs", "ours"), DIFFERENT, ids=[f"{d[0]} {d[1][1]}" for d in DIFFERENT]
)
def test_where_the_api_differs_it_is_wanted(
    answers: dict[Question, tuple[Any, Any]],
    row: str,
    question: Question,
    theirs: Any,
    ours: Any,
) -> None:
    found = answers[question]

    assert is_wanted(row)
    for expected, answer in zip((theirs, ours), found, strict=True):
        if isinstance(expected, str) and isinstance(answer, str):
            assert answer.startswith(expected)
        else:
            assert expected == answer
