"""The client's account of what has left it: written first, read in plain words."""

import json
import resource
from fractions import Fraction

import pytest
from client.alone import ME

from fedplat.config.deployment import DiscloseConfig
from fedplat.engine.messages import Decline, Offer, Submit
from fedplat.errors import ConfigError, StorageError
from fedplat.types import Digest, Mean
from fedplat.wire.session import Heartbeat, Progress
from fedplat_client import disclosures, ledger
from fedplat_client.gate import Gate
from fedplat_client.ledger import Ledger

METRICS = {"train_loss": Mean(Fraction(120), 80), "accuracy": Mean(Fraction(1), 2)}
SUBMIT = Submit(ME, 3, "fit", Digest("a" * 64), 80.0, METRICS)
DECLINE = Decline(ME, 4, "fit", "failed", "KeyError: 'patient 4711'")
SOME = DiscloseConfig(metrics=("*",))


class Client:
    """A gate over a folder, and what came out of it."""

    def __init__(self, folder, disclose=SOME, say=None):
        self.folder, self.frames, self.told = folder, [], []
        self.ledger = Ledger(folder)
        self.gate = Gate(disclose, self.ledger, say or self.frames.append, self.told.append)

    def account(self):
        return disclosures.read(self.folder)


@pytest.fixture
def client(tmp_path):
    one = Client(tmp_path)
    yield one
    one.ledger.close()


def test_an_answer_is_in_the_account_before_it_leaves(client):
    client.gate.announce(SUBMIT, 2600)
    assert client.frames == []
    [one] = client.account()
    assert one["status"] == "may have left"
    client.gate(SUBMIT)
    [one] = client.account()
    assert (one["status"], one["round"], one["weight"], one["bytes"]) == ("sent", 3, 80.0, 2600)
    assert one["metrics"] == {"train_loss": {"value": 1.5, "count": 80}}
    assert one["withheld"] == ["accuracy"]


def test_what_leaves_is_what_the_account_says(client):
    client.gate.announce(SUBMIT)
    client.gate(SUBMIT)
    [frame], [one] = client.frames, client.account()
    assert {name: mean.count for name, mean in frame.metrics.items()} == {"train_loss": 80}
    assert set(one["metrics"]) == set(frame.metrics)


def test_a_client_that_ends_between_the_two_leaves_the_doubt_in_its_account(tmp_path):
    def cut(frame):
        raise KeyboardInterrupt

    client = Client(tmp_path, say=cut)
    client.gate.announce(SUBMIT)
    with pytest.raises(KeyboardInterrupt):
        client.gate(SUBMIT)
    assert [one["status"] for one in client.account()] == ["may have left"]
    again = Client(tmp_path)
    again.gate.announce(SUBMIT)
    again.gate(SUBMIT)
    assert [one["status"] for one in again.account()] == ["sent"]  # the same answer, told once


def test_the_coordinators_verdict_becomes_the_status(client):
    client.gate.announce(SUBMIT)
    client.gate(SUBMIT)
    client.ledger.after("answered", round=3, verdict="accepted")
    client.gate(SUBMIT)  # said again, as after a cut session
    assert [one["status"] for one in client.account()] == ["accepted"]


def test_a_decline_is_told_without_the_text_that_stayed(client):
    client.gate.announce(DECLINE)
    client.gate(DECLINE)
    assert "4711" not in (client.folder / ledger.NAME).read_text()
    assert "4711" not in client.frames[0].detail and "KeyError" in client.frames[0].detail
    assert any("4711" in str(record) for record in client.told)  # the owner's own log has it


def test_frames_that_tell_nothing_are_not_noted(client):
    client.gate(Heartbeat())
    client.gate.progress(Offer(ME, 3, "fit", Digest("b" * 64)))(480)
    assert client.account() == []
    assert client.frames == [Heartbeat(), Progress(3, "fit", 480)]


def test_a_line_that_a_crash_cut_off_is_left_out_and_then_removed(tmp_path):
    client = Client(tmp_path)
    client.gate.announce(SUBMIT)
    path = tmp_path / ledger.NAME
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at": "20')
    assert len(client.account()) == 1
    Client(tmp_path).ledger.close()
    assert path.read_bytes() == whole


def test_a_damaged_account_is_named_with_its_line(tmp_path):
    (tmp_path / ledger.NAME).write_bytes(b'{"at": 1, "event": "hello"}\nnothing\n{}\n')
    for use in (disclosures.read, Ledger):
        with pytest.raises(StorageError, match=r"line 2 is damaged; restore"):
            use(tmp_path)


def test_where_nothing_can_be_noted_nothing_leaves(tmp_path):
    client = Client(tmp_path)
    client.ledger.close()
    with pytest.raises(StorageError, match="so nothing does"):
        client.gate.announce(SUBMIT)


def test_a_line_for_which_there_was_no_room_leaves_no_trace_and_the_next_is_whole(tmp_path):
    def limit(size_bytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, most))

    now, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    account = Ledger(tmp_path)
    account.before("first", fact=1)
    try:
        limit((tmp_path / ledger.NAME).stat().st_size + 20)
        with pytest.raises(StorageError, match="nothing does"):
            account.before("second", fact="x" * 100)
    finally:
        limit(now)
    account.before("third", fact=3)
    account.close()
    assert [line["event"] for line in ledger.lines(tmp_path / ledger.NAME)] == ["first", "third"]


def test_what_strangers_named_can_not_move_the_readers_terminal():
    record = {"event": "federation", "at": "now", "name": "a\x1b[2J\rb", "scenario": "ab" * 32}
    assert disclosures.in_words(record) == "now  federation a�[2J�b (scenario abababababab…)"


def test_the_command_tells_it_in_words_and_to_programs(fedplat):
    client = Client(fedplat.folder / "mine")
    client.ledger.before(
        "hello", coordinator="h:1", client=ME, software="fedplat 1", environment={"torch": "2"}
    )
    client.ledger.after("federation", name="small", scenario="f" * 64)
    client.ledger.after("tensors", tensors=["weight 10×64", "bias 10"])
    client.gate.announce(SUBMIT, 2600)
    client.gate(SUBMIT)
    client.gate.announce(DECLINE)
    plain = fedplat("client", "disclosures", "mine")
    assert plain.code == 0
    hello, federation, tensors, update, decline = plain.out.splitlines()
    assert "hello to h:1 as client-000000: fedplat 1; torch 2" in hello
    assert "federation small" in federation and "2 tensors: weight 10×64, bias 10" in tensors
    assert "round 3  update aaaaaaaaaaaa… of 2600 bytes, weight 80 (training samples)" in update
    assert "train_loss 1.5 of 80; withheld: accuracy  [sent]" in update
    assert "declined, failed: KeyError; " in decline and decline.endswith("[may have left]")
    records = [
        json.loads(line)
        for line in fedplat("client", "disclosures", "mine", "--json").out.splitlines()
    ]
    assert [one["event"] for one in records] == [
        "hello",
        "federation",
        "tensors",
        "answer",
        "answer",
    ]
    (fedplat.folder / "client.toml").write_text(
        'coordinator = "h:1"\nfolder = "mine"\nname = "a"\n'
    )
    assert fedplat("client", "disclosures", "client.toml").out == plain.out


def test_a_folder_without_an_account_is_refused(fedplat):
    answer = fedplat("client", "disclosures", ".")
    assert (answer.code, answer.out) == (2, "") and "no client has said anything" in answer.err
    with pytest.raises(ConfigError):
        disclosures.read(fedplat.folder)
