"""Tables in Markdown that can be read as they are, too."""


class Table:
    """Columns as wide as they have to be; numbers to the right."""

    def __init__(self, *head):
        self.rows = [head]

    def add(self, *cells):
        self.rows.append(cells)

    def print(self):
        head, *body = self.rows
        widths = [max(3, *(len(row[column]) for row in self.rows)) for column in range(len(head))]
        numbers = [
            bool(body) and all(_is_number(row[column]) for row in body)
            for column in range(len(head))
        ]

        def line(row):
            cells = (
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(row, widths, numbers)
            )
            return f"| {' | '.join(cells)} |"

        print(line(head))
        rules = (
            "-" * (width + 1) + (":" if number else "-") for width, number in zip(widths, numbers)
        )
        print(f"|{'|'.join(rules)}|")
        for row in body:
            print(line(row))
        print()


def _is_number(cell):
    return not cell or cell[0].isdigit()


def millions(rate):
    return f"{rate / 1e6:.2f}" if rate else ""


def ratio(rate, base):
    return f"{rate / base:.1f}" if rate and base else ""


def percent(rate, base):
    return f"{rate / base:.0%}" if rate and base else ""
