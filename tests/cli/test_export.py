"""`azc export`."""


def test_to_standard_output(azc, files):
    outcome = azc("export", "linear.az", "--to", "numpy")
    assert outcome.code == 0
    assert "class Model:" in outcome.out


def test_to_a_file(azc, files):
    assert azc("export", "logistic", "--to", "c", "--classes", 2, "-o", "model.c").code == 0
    assert "azc_model_new" in (files / "model.c").read_text("utf-8")


def test_what_is_refused(azc, files):
    assert "did you mean 'numpy'?" in azc("export", "linear.az", "--to", "nump").err
    assert azc("export", "linear.az", "--to", "numpy", "-o", "none/model.py").code == 2
    outcome = azc("export", "softmax", "--to", "c")
    assert outcome.code == 2
    assert "--classes" in outcome.err
