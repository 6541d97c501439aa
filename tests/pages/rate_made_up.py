"""A study with answers and no model, for the tests of the page Rate."""

from core.records import Item
from core.study import Plan, Study, database

PROMPT = "What color is the sky? <b>**not bold**</b>"
ITEMS = (
    Item("fact-1", "fact", segments={"instruction": "Answer in one word.", "question": PROMPT}),
    Item("fact-2", "fact", segments={"instruction": "Answer in one word.", "question": "And the grass?"}, rating=4.0),
)
ANSWERS = {"fact-1": ("Blue.", "<script>alert(1)</script> The sky is **blue**."), "fact-2": ("Green.", "Green.")}
HIDDEN = ("role_play", "Role play", "smollm2", "SmolLM2", "plain", "Plain")
"""Names that a rater must not see."""


def study(name: str = "Colors") -> Study:
    """A study of two items in two structures: the second item has the same answer twice, so there are three cards."""
    made = Study(Plan(name, ("smollm2-135m-instruct",), ("plain", "role_play"), items=ITEMS))
    for row in database.query_rows(made.db, "SELECT * FROM cells"):
        answer = ANSWERS[row["item"]][row["structure"] == "role_play"]
        facts = {key: row[key] for key in ("cell", "task", "structure", "control", "model", "seed")}
        facts |= {"prompt_id": row["item"], "run": row["cell"], "answer": answer, "error": "", "why": "{}"}
        database.put_row(made.db, "runs", facts | {"truncated": int("sky is" in answer), "seconds": 1.0})
    made.db.execute("UPDATE cells SET state = 'done'")
    return made
