"""The command: what it refuses before it measures anything."""

from benchmarks import sim


def test_without_mnist_it_says_where_to_get_it_and_exits_with_2(tmp_path, capsys):
    assert sim.main(["--quick", "--data", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path) in told
    assert "train-images-idx3-ubyte.gz" in told
