"""Encodings: found by what the bytes spell, said with how sure that is, refused where nothing fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from table_files import PLAIN, refused, write

from automl.core.errors import UsageError
from automl.data.files.readers import read_table
from automl.data.files.symbol_encoding import is_spelled_by_signs


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    assert list(read_table(write(tmp_path, b"\xef\xbb\xbf" + PLAIN.encode())).frame) == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"])
def test_other_encodings_are_detected_and_noted(tmp_path: Path, encoding: str) -> None:
    text = "größe,b\nÄpfel,1\nMöhren,2\nÜbel,3\n"
    table = read_table(write(tmp_path, text.encode(encoding)))
    assert list(table.frame["größe"]) == ["Äpfel", "Möhren", "Übel"]
    assert "--encoding" in table.notes[0]


def test_a_wrong_encoding_names_the_byte(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\nÄ,1\nx,2\n".encode("latin-1"))
    assert "byte 4" in refused(path, encoding="utf-8")
    assert "byte 4" in read_table(path).notes[0]
    with pytest.raises(UsageError, match="no encoding"):
        read_table(path, encoding="klingon")


WORDS = {
    "shift_jis": ["東京都", "大阪府", "北海道", "ポートタワー"],
    "euc_jp": ["東京都", "大阪府", "さくら", "ポート"],
    "gbk": ["北京", "上海", "广州", "深圳"],
    "big5": ["台北", "高雄", "台中", "新竹"],
    "euc_kr": ["서울", "부산", "대구", "인천"],
    "cp1251": ["Москва", "Казань", "САМАРА", "Тверь"],
    "koi8_r": ["Москва", "Казань", "САМАРА", "Тверь"],
    "cp1250": ["Łódź", "Kraków", "Gdańsk", "Poznań"],
    "cp1253": ["Αθήνα", "Θεσσαλονίκη", "Πάτρα", "Βόλος"],
    "cp1254": ["İstanbul", "Muğla", "Şırnak", "Eskişehir"],
    "cp1252": ["Málaga", "Cádiz", "León", "Jaén"],
    "mac_roman": ["Málaga", "Cádiz", "León", "Jaén"],
    "iso8859_15": ["prix 5 €", "cœur", "été", "Noël"],
}


@pytest.mark.parametrize("encoding", WORDS)
def test_a_few_words_of_a_table_tell_its_encoding(tmp_path: Path, encoding: str) -> None:
    rows = [f"{i},{word},{i % 7},plain text" for i, word in enumerate(["Oslo", *WORDS[encoding]] * 5)]
    table = read_table(write(tmp_path, "\n".join(["id,town,x,note", *rows]).encode(encoding)))
    assert list(table.frame["town"])[1:5] == WORDS[encoding]
    assert ("a guess between cp1254 and cp1252" if encoding == "cp1254" else "(clear; ") in table.notes[0]


@pytest.mark.parametrize(
    "cell",
    [
        "€5",
        "5 €",
        "£3.50",
        "10–20",
        "“good”",
        "Joe’s",
        "4 °C",
        "3 µg",
        "2½",
        "m²",
        "1\u00a0200",
        "• x",
        "5±1",
        "n°2",
    ],
)
def test_signs_without_letters_are_those_of_the_western_page(tmp_path: Path, cell: str) -> None:
    text = "a,b\n" + "".join(f"{i},{cell}{' a' * (i % 3)}\n" for i in range(30))
    table = read_table(write(tmp_path, text.encode("cp1252")))
    assert table.frame["b"][0] == cell
    assert "cp1252 was detected" in table.notes[0]


@pytest.mark.parametrize(
    ("word", "encoding"), [("hôtel", "cp850"), ("María", "mac_roman"), ("Łódź", "cp1250")]
)
def test_letters_of_other_pages_are_no_signs(tmp_path: Path, word: str, encoding: str) -> None:
    assert not is_spelled_by_signs(word.encode(encoding))


def test_a_guess_is_said_with_its_alternative(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b\nŠibenik,1\nx,2\n".encode("cp1250")))
    assert "(a guess between cp1250 and mac_roman; byte 4" in table.notes[0]
    assert "pass --encoding" in table.notes[0]


def test_what_a_file_of_the_same_origin_was_written_in_decides_a_guess(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\nŠibenik,1\nx,2\n".encode("cp1250"))
    assert "(clear" in read_table(path, expected_encoding="cp1250").notes[0]
    assert list(read_table(path, expected_encoding="cp1251").frame["a"]) == ["Šibenik", "x"]
    assert read_table(write(tmp_path, "a,b\nМосква,1\nx,2\n"), expected_encoding="cp1251").notes == ()


def test_bytes_that_spell_no_words_are_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0).integers(128, 256, (40, 8)).astype(np.uint8)
    content = b"a,b\n" + b"".join(row.tobytes() + b",1\n" for row in random)
    assert "line 2: byte 4 is not UTF-8, and no encoding" in refused(write(tmp_path, content))


@pytest.mark.parametrize(("rest", "pasted"), [("utf-8", "cp1252"), ("cp1252", "utf-8")])
def test_lines_in_another_encoding_are_named_or_left_out(tmp_path: Path, rest: str, pasted: str) -> None:
    rows = [f'{i},"a\n{town}"\n'.encode(rest) for i, town in enumerate(["Málaga", "Cádiz", "León"] * 9)]
    content = b"a,b\n" + b"".join(rows) + '99,"b\nJaén"\n'.encode(pasted) + b"100,c\n"
    path = write(tmp_path, content)
    assert f"{rest} except for 1 line in another encoding: line 57 holds b'Ja" in refused(path)
    table = read_table(path, skip_bad_rows=True)
    assert table.frame["a"].tolist() == [*range(27), 100]
    assert any(f"1 row was left out that is not {rest}: line 57" in note for note in table.notes)


def test_a_header_in_another_encoding_is_not_left_out(tmp_path: Path) -> None:
    rows = "".join(f"{town},1\n" for town in ["Málaga", "Cádiz", "León"] * 9).encode()
    assert "cannot be left out" in refused(write(tmp_path, b"Ja\xe9n,b\n" + rows), skip_bad_rows=True)


def test_a_byte_that_contradicts_the_sample_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [f"{i},{word}\n".encode("cp1252") for i, word in enumerate(["Málaga", "Cádiz"] * 80_000)]
    rows[99_000] = b"99000,\x81\x8d\n"
    assert "line 99002: byte" in refused(write(tmp_path, b"a,b\n" + b"".join(rows)))
