"""Draw the documents that come with this definition, with fpdf2: `python make_documents.py [FOLDER]`."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF

DRAWN_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FOLDER = Path(__file__).parent / "documents"


def invoice(supplier: str, number: str, line: tuple[str, str], amounts: tuple[str, str, str]) -> list[str]:
    net, tax, total = amounts
    return [
        *(f"From: {supplier}", "", "INVOICE", f"Invoice number: {number}", "Date: 2026-03-02", "Currency: EUR", ""),
        *(f"{line[0]:<40}{line[1]:>12}", "", f"Net: {net}", f"Tax (20 %): {tax}", f"Total: {total}"),
    ]


PLAIN = invoice("Brandt & Sons", "1001", ("4 x drive belt", "200.00"), ("200.00", "40.00", "240.00"))
LARGE = invoice("Kessler Machines", "KM-77", ("1 x milling head", "12,500.00"), ("12,500.00", "2,500.00", "15,000.00"))
SMUDGED = invoice("Brandt & Sons", "1002", ("3 x ball bearing", "126.00"), ("126.00", "2S.20", "1Sl.20"))
TORN = invoice("Orchard Paper", "P-3", ("10 x paper, A4", "45.00"), ("45.00", "9.00", "54.00"))
LETTER = ["From: Orchard Paper", "Date: 2026-03-02", "", "Dear customer,", "", "in May we deliver on Tuesdays."]

DOCUMENTS = {
    "01-invoice.pdf": PLAIN,
    "02-same-invoice-scanned-again.pdf": PLAIN,
    "03-large-invoice.pdf": LARGE,
    "04-smudged-invoice.pdf": SMUDGED,  # 25.20 and 151.20, if one knows
    "05-letter.pdf": LETTER,
    "06-encrypted-invoice.pdf": TORN,
    "07-torn-invoice.pdf": TORN,
}


def draw(lines: list[str], place: Path, password: str | None = None) -> None:
    """Draw one page of text."""
    page = FPDF()
    page.set_creation_date(DRAWN_AT)
    page.set_title(place.stem)
    if password:
        page.set_encryption(owner_password=password, user_password=password)
    page.add_page()
    page.set_font("Courier", size=9)
    for line in lines:
        page.cell(text=line, h=5, w=0, new_x="LMARGIN", new_y="NEXT")
    page.output(str(place))


def make(folder: Path) -> None:
    """Draw all documents; one is locked by a password, one is torn in the middle."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in DOCUMENTS.items():
        draw(lines, folder / name, "secret" if "encrypted" in name else None)
    torn = folder / "07-torn-invoice.pdf"
    torn.write_bytes(torn.read_bytes()[:400])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    make(parser.parse_args().folder)


if __name__ == "__main__":
    main()
