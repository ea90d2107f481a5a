from small_sweep import loaded

from fedplat_sim.sweep.selection import choose


def record(lr, seed=1, trial=True, **measures):
    base = {"arm": "a", "point": {}, "tuned": {"training.lr": lr}, "seed": seed, "trial": trial}
    if not measures:
        return {**base, "state": "failed", "reason": "round 1: a loss is not finite"}
    return {**base, "state": "done", "measures": measures}


def choice(tmp_path, records, by="validation accuracy", values=(0.1, 0.2)):
    sweep = loaded(
        tmp_path, arms={"a": {}}, select={"tune": {"training.lr": list(values)}, "by": by}
    )
    (found,) = choose(sweep, records)
    return found


def test_the_best_mean_on_validation_is_chosen(tmp_path):
    records = [
        record(0.1, seed=1, validation_accuracy=0.9),
        record(0.1, seed=2, validation_accuracy=0.5),
        record(0.2, seed=1, validation_accuracy=0.8),
        record(0.2, seed=2, validation_accuracy=0.8),
    ]
    assert choice(tmp_path, records).tuned == (("training.lr", 0.2),)


def test_test_figures_do_not_move_the_choice(tmp_path):
    records = [
        record(0.1, validation_accuracy=0.9, accuracy=0.1, client_accuracy=0.1),
        record(0.2, validation_accuracy=0.8, accuracy=1.0, client_accuracy=1.0),
        record(0.2, trial=False, validation_accuracy=1.0, accuracy=1.0),
    ]
    assert choice(tmp_path, records).tuned == (("training.lr", 0.1),)


def test_less_loss_is_better(tmp_path):
    records = [record(0.1, validation_loss=0.3), record(0.2, validation_loss=0.2)]
    assert choice(tmp_path, records, by="validation loss").tuned == (("training.lr", 0.2),)


def test_of_equals_the_first_in_the_file_wins(tmp_path):
    records = [record(0.1, validation_accuracy=0.5), record(0.2, validation_accuracy=0.5)]
    assert choice(tmp_path, records, values=(0.2, 0.1)).tuned == (("training.lr", 0.2),)


def test_a_configuration_that_failed_once_is_out(tmp_path):
    records = [
        record(0.1, seed=1, validation_accuracy=0.9),
        record(0.1, seed=2),
        record(0.2, seed=1, validation_accuracy=0.1),
    ]
    found = choice(tmp_path, records)
    assert found.tuned == (("training.lr", 0.2),)
    assert found.trials[0].failures == ("round 1: a loss is not finite",)


def test_nothing_is_chosen_where_every_configuration_failed(tmp_path):
    found = choice(tmp_path, [record(0.1), record(0.2)])
    assert found.best is None
    assert found.tuned is None
