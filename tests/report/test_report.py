import re
from html.parser import HTMLParser

import pytest
from plausible_run import ENVIRONMENT, client, make, records

from fedplat.errors import ConfigError, DataError, StorageError
from fedplat_sim import report

VOID = {"meta", "path", "use", "image", "rect", "br"}
INJECTION = "<script>alert('1')</script>"


class Outline(HTMLParser):
    """Reads a page: its text, and whether every element is closed where it should be."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.ids, self.references, self.texts = [], [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.references += [
            value for key, value in attributes if key in ("src", "href", "xlink:href", "srcset")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def page_of(folder, **settings):
    return report.write(make(folder / "run", **settings)).read_text(encoding="utf-8")


def outline(folder, **settings):
    read = Outline(page_of(folder, **settings))
    assert read.open == []
    assert "nan" not in re.findall(r"[a-z]+", read.text.lower())
    assert "None" not in read.text
    return read


@pytest.fixture(scope="module")
def standard(tmp_path_factory):
    """A whole run's report, read by several tests."""
    return page_of(tmp_path_factory.mktemp("standard"), personal=True)


def test_the_page_says_what_came_out_and_draws_every_chart(standard):
    read = Outline(standard)
    for shown in (
        *("quickstart", "finished", "fedavg", "12,842 parameters", "seed 1", "96.", "20 of 20"),
        *("Against central", "Against local-only", "Model digest", ENVIRONMENT["torch"]),
        *("10th percentile", "worst", "Labels of the clients", "Whose model fits whose data"),
        *("Bytes per round", "Bytes so far", "Time by phase", "Clients asked"),
        'name = "dirichlet"',
    ):
        assert shown in read.text
    assert read.elements.count("svg") == 11


def test_the_page_needs_nothing_from_elsewhere(standard):
    read = Outline(standard)
    assert not {"script", "link", "iframe", "object", "base"} & set(read.elements)
    assert all(one.startswith(("#", "data:")) for one in read.references)
    assert any(one.startswith("data:") for one in read.references)
    assert not re.search(r"url\((?!#)|@import", standard)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", standard)


def test_identifiers_are_unique_and_every_reference_has_its_target(standard):
    read = Outline(standard)
    assert len(read.ids) == len(set(read.ids))
    assert {one[1:] for one in read.references if one.startswith("#")} <= set(read.ids)


def test_the_same_files_give_the_same_bytes_and_another_seed_gives_others(standard, tmp_path):
    assert page_of(tmp_path / "same", personal=True) == standard
    assert page_of(tmp_path / "other", personal=True, seed=2) != standard


def test_colours_are_variables_with_a_light_and_a_dark_value(standard):
    body = standard[standard.index("</style>") :]
    assert not re.search(r"#[0-9a-f]{6}\b", body)
    used = set(re.findall(r"var\((--c\d+)\)", body))
    light, dark = standard.split("@media", maxsplit=1)
    assert used
    assert all(f"{name}:#" in light and f"{name}:#" in dark for name in used)


def test_the_report_is_made_again_over_the_old_one(tmp_path):
    folder = make(tmp_path / "run", rounds=2)
    first = report.write(folder)
    before = first.read_bytes()
    first.write_text("old")
    assert report.write(folder) == folder / "report.html"
    assert first.read_bytes() == before
    assert sorted(one.name for one in folder.iterdir()) == [
        *("environment.json", "metrics.jsonl", "report.html", "scenario.toml")
    ]


def test_markup_in_any_file_is_shown_and_not_obeyed(tmp_path):
    lines = list(records(rounds=2, personal=True, name=f"{INJECTION}1"))
    lines[1]["classes"][0] = f"{INJECTION}2"
    lines[1]["counts"] = {"</text><script>": [1] * 10}
    lines[2]["seconds"][f"{INJECTION}3"] = 0.5
    lines[-2]["name"] = f"{INJECTION}4"
    scenario = f'name = "{INJECTION}5"\n'
    environment = {f"{INJECTION}6": f"{INJECTION}7"}
    read = outline(tmp_path, lines=lines, scenario=scenario, environment=environment)
    assert "script" not in read.elements
    for number in range(1, 8):
        assert f"{INJECTION}{number}".replace("_", "-") in read.text
    assert "</text><scri" in read.text  # a client's name is cut to fit below its bar


def test_dollars_and_underscores_in_names_are_no_formulas(tmp_path):
    lines = list(records(rounds=2))
    lines[1]["counts"] = {"$x^2$": [1] * 10, "_hidden": [2] * 10}
    assert "$x^2$" in outline(tmp_path, lines=lines).text


# ── runs of which something is missing ───────────────────────────────────────────────────────────


def test_a_run_of_zero_rounds(tmp_path):
    lines = [*list(records(rounds=0))[:2], {"event": "finished", "rounds": 0, "digest": "ab"}]
    read = outline(tmp_path, lines=lines)
    assert "0 of 0" in read.text
    assert "Labels of the clients" in read.text
    assert "Costs" not in read.text


def test_a_run_of_one_client_and_one_round(tmp_path):
    read = outline(tmp_path, clients=1, per_round=1, rounds=1, personal=True, dropout=0.0)
    assert "one client with" in read.text
    assert "one client's test split" in read.text


@pytest.mark.parametrize("rounds", [1, 10])
@pytest.mark.parametrize("personal", [False, True])
def test_the_cards_of_the_clients_fill_their_rows(tmp_path, rounds, personal):
    page = page_of(tmp_path, rounds=rounds, personal=personal)
    clients = page[page.index("<h2>Clients") : page.index("<h2>Costs")]
    assert clients.count('class="card"') % 2 == 0
    assert clients.count('class="card wide"') == 1


def test_a_run_without_federated_evaluation(tmp_path):
    read = outline(tmp_path, federated=False, rounds=3)
    assert "over clients" not in read.text.replace("mean over clients", "")
    assert "Labels of the clients" in read.text


def test_a_run_without_any_evaluation_warns_and_shows_a_dash(tmp_path):
    lines = list(records(federated=False, baselines=False, rounds=3))
    for line in lines:
        line.update({key: None for key in ("accuracy", "loss") if key in line})
    read = outline(tmp_path, lines=lines)
    assert "No round was evaluated" in read.text
    assert "Accuracy –" in read.text
    assert "training, mean over clients" in read.text


def test_a_run_that_is_evaluated_now_and_then_draws_those_rounds(tmp_path):
    assert "federation 9" in outline(tmp_path, every=7).text


def test_a_regression_speaks_of_rmse(tmp_path):
    read = outline(tmp_path, regression=True, rounds=5)
    assert "RMSE over clients" in read.text
    assert "90th percentile" in read.text
    assert "Samples of the clients" in read.text
    assert "ccuracy" not in read.text


def test_an_interrupted_run_says_where_and_how_to_go_on(tmp_path):
    read = outline(tmp_path, lines=list(records())[:9])
    assert "interrupted after round" in read.text
    assert "fedplat sim run --resume" in read.text


def test_a_finished_run_says_nothing_of_the_kind(standard):
    read = Outline(standard)
    assert "interrupted" not in read.text
    assert "resume" not in read.text


def test_a_crash_in_the_middle_of_a_line_is_noted(tmp_path):
    folder = make(tmp_path / "run", lines=list(records())[:6])
    metrics = folder / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-20])
    assert "line 6 was cut off" in Outline(report.write(folder).read_text()).text


def test_a_run_that_has_only_begun(tmp_path):
    assert "no round was finished" in outline(tmp_path, lines=[]).text


def test_a_folder_without_scenario_and_environment(tmp_path):
    folder = make(tmp_path / "run", environment=None)
    (folder / "scenario.toml").unlink()
    assert "There is no scenario.toml" in Outline(report.write(folder).read_text()).text


def test_rounds_that_were_run_again_after_a_resume_count_once(tmp_path):
    lines = list(records(rounds=5, federated=False))
    assert "5 of 5" in outline(tmp_path, lines=[*lines[:-4], *lines[3:]]).text


def test_a_personalised_run_tells_its_own_accuracy_from_the_global_one(tmp_path):
    lines = list(records(rounds=3, personal=True))
    lines[-1]["accuracy"] = 0.99
    read = outline(tmp_path, lines=lines)
    assert "Accuracy 99.00 % clients' own models; global" in read.text
    assert "+1.80 pt" in read.text


def test_a_warning_that_a_resumed_run_repeats_is_shown_once(tmp_path):
    told = {"event": "warning", "text": "participation is low"}
    lines = list(records(rounds=2, federated=False))
    read = outline(tmp_path, lines=[lines[0], told, *lines[1:3], lines[0], told, *lines[3:]])
    assert read.text.count("participation is low") == 1


def test_what_the_reader_should_mind_is_said(tmp_path):
    lines = list(records())
    lines[1]["counts"][client(0)] = [0] * 10
    lines[2].update(accepted=0, refused=3)
    lines[-2]["accuracy"] = 0.99
    lines.insert(3, {"event": "warning", "round": 1, "text": "participation is low"})
    read = outline(tmp_path, lines=lines)
    for shown in (
        *("1 of 20 clients have no training sample", "No update was accepted in round 1."),
        *("3 updates were refused", "round 1: participation is low", "clients reach alone"),
    ):
        assert shown in read.text


@pytest.mark.parametrize("clients", [60, 1000])
def test_the_labels_of_many_clients_stay_few_elements(tmp_path, clients):
    page = page_of(tmp_path, clients=clients, rounds=2)
    assert len(page) < 600_000
    assert ("sorted by their most frequent class" in page) == (clients > 60)


@pytest.mark.parametrize("classes", [2, 100])
def test_few_and_many_classes_are_drawn(tmp_path, classes):
    assert "Labels of the clients" in outline(tmp_path, classes=classes, rounds=2).text


def test_long_runs_are_drawn_as_means_of_stretches(tmp_path):
    page = page_of(tmp_path, rounds=2000, federated=False)
    assert "each bar is the mean of 20 rounds" in page
    assert len(page) < 600_000


def test_a_loss_that_spans_decades_and_one_that_is_constant_are_drawn(tmp_path):
    lines = list(records())
    for index, line in enumerate(line for line in lines if line["event"] == "round"):
        line.update(loss=10.0 ** (3 - index), accuracy=0.0, train_loss=0.0)
    assert "Loss" in outline(tmp_path, lines=lines).text


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def test_a_run_that_does_not_exist_is_refused_with_the_nearest_name(tmp_path):
    make(tmp_path / "quickstart-001")
    with pytest.raises(ConfigError, match=r"no such run; did you mean .*quickstart-001\?"):
        report.write(tmp_path / "quikstart-001")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"is no run's folder: it has no metrics\.jsonl"):
        report.write(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("metrics.jsonl", '{"event":"round","round":"one"}\n', r"metrics\.jsonl:1"),
        ("scenario.toml", "name = ", r"scenario\.toml: is not TOML"),
        ("environment.json", "{", r"environment\.json: is not JSON"),
        ("environment.json", "[]", r"environment\.json: is not a JSON object"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(tmp_path, name, content, reason):
    folder = make(tmp_path / "run")
    (folder / name).write_text(content)
    with pytest.raises(DataError, match=reason):
        report.write(folder)


def test_a_place_that_can_not_be_written_to_is_named(tmp_path):
    with pytest.raises(StorageError, match="can not be written"):
        report.write(make(tmp_path / "run"), to=tmp_path / "nowhere" / "report.html")
