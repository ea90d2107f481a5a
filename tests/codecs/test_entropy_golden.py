"""Payloads that were written once and must decode for ever."""

import numpy as np
import pytest
from entropy_cases import Case, layout, same

from fedplat.codecs.entropy import build
from fedplat.codecs.packet import Form, Packet

OF = layout((4, 8), (3,), (), (0,))


def ternary() -> Case:
    symbols = np.zeros(36, dtype=np.int16)
    symbols[[1, 9, 10, 17, 31, 35]] = [1, -1, 1, 1, -1, 1]
    return Case(Packet(OF, symbols=symbols), Form("all", (-1, 1), zeros=True))


def clusters() -> Case:
    symbols = (np.arange(36) * 7 % 11 % 5).astype(np.int16)
    return Case(Packet(OF, symbols=symbols), Form("all", (0, 4)))


def sparse() -> Case:
    positions = np.array([0, 30, 35])
    values = np.array([0.1, 3e38, -1e-45], dtype=np.float32)
    return Case(Packet(OF, values=values, positions=positions), Form("some"))


def levels() -> Case:
    positions = np.array([4, 5, 20, 33])
    symbols = np.array([-127, 3, 127, -1], dtype=np.int16)
    return Case(Packet(OF, symbols=symbols, positions=positions), Form("some", (-127, 127)))


CASES = {"ternary": ternary, "clusters": clusters, "sparse": sparse, "levels": levels}
LIBRARIES = ("pco", "zstd")  # they may come to write it shorter
GOLDEN = {
    ("raw", "ternary"): "0106050492917e30b4",
    ("raw", "clusters"): "00e6459ae772ce8517b77c14",
    ("raw", "sparse"): "030301e8c0cdcccc3de6b1617f01000080",
    ("raw", "levels"): "0104031055210081fd7e",
    ("zstd", "ternary"): "28b52ffd2009490000007c287a8279797602",
    ("zstd", "clusters"): "28b52ffd200c61000000e6459ae772ce8517b77c14",
    ("zstd", "sparse"): "28b52ffd201399000003058000000210cde601ccb100cc61003d7f80",
    ("zstd", "levels"): "28b52ffd200c6100000104050c000800400081fd7e",
    ("pco", "ternary"): "01060e040100100000000000200071603d00b4",
    ("pco", "clusters"): "0000e6459ae772ce8517b77c14",
    (
        "pco",
        "sparse",
    ): "030d0401001000000000002800a0130401003200c8ffffff0fa09999b917c03c36ec1f000600",
    ("pco", "levels"): "01040d040100100000000000200004ce000081fd7e",
    ("rice", "ternary"): "01060404362b9600b4",
    ("rice", "clusters"): "0000e6459ae772ce8517b77c14",
    ("rice", "sparse"): "0303061eeccdcccc3de6b1617f01000080",
    ("rice", "levels"): "0104040571be80000081fd7e",
    ("huffman", "ternary"): "00030201001010602c0c0010c0",
    ("huffman", "clusters"): "000502010012112018cf35c633cd718cf35c60",
    ("huffman", "sparse"): "0303061eeccdcccc3de6b1617f01000080",
    ("huffman", "levels"): "0104040571be8004052003ba176c11112d",
    ("addresses", "ternary"): "0a02000202030001020100044fc2a880",
    (
        "addresses",
        "clusters",
    ): "120401060206030604050202010401010301000f221f3d7825642fb125b4c7cca8d790",
    ("addresses", "sparse"): "080100020001000100020780cdcccc3de6b1617f01000080",
    ("addresses", "levels"): "0e030001820101fe0101017e01000003216880",
    ("differences", "ternary"): "0a020002020300010201000c09050201002211106e984c38",
    (
        "differences",
        "clusters",
    ): "12040106020603060405020201040101030100110a030201001100030600744cc199ccf338",
    ("differences", "sparse"): "0801000200010001000806020201700040e0cdcccc3de6b1617f01000080",
    ("differences", "levels"): "0e030001820101fe0101017e0100000a07030201901010386500",
}


@pytest.mark.parametrize(("coder", "what"), sorted(GOLDEN))
def test_what_was_written_once_decodes(coder, what):
    one = CASES[what]()
    payload = bytes.fromhex(GOLDEN[coder, what])
    assert same(one, build(coder).read(memoryview(payload), OF, one.form))


@pytest.mark.parametrize(("coder", "what"), sorted(k for k in GOLDEN if k[0] not in LIBRARIES))
def test_coders_of_our_own_write_the_same_bytes_for_ever(coder, what):
    one = CASES[what]()
    assert build(coder).write(one.packet, one.form).hex() == GOLDEN[coder, what]
