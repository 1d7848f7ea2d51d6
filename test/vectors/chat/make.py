"""What the official encoder makes of random conversations, and its parser of whole and damaged replies:

    python make.py FOLDER

FOLDER is `encoding/` of a release (encoding_dsv4.py and its tests/). Writes conversations.json and replies.json here.
Prompts are kept as SHA-256 digests: the long constant blocks would be most of the file.
"""

import hashlib
import json
import random
import sys
from pathlib import Path

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
import encoding_dsv4 as official  # noqa: E402

GOLDEN = [
    "9b366d9d2eac842a6e890594aac0b58648e5623717202b33497afadf03e26540",
    "ca66b01a1ac3a204bb032c928fb607d4877171e998a50f7f89f39fa821b75665",
    "b3b1cd8748b7b90d3c6be6da3f786f12e4d70be073bd445ea162dfad4dc01a64",
    "60e1643840ba9e4aeede450feb7b0498fa66ee24e4a939d48855ce04ec6fc375",
]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# The judge itself is judged by the digests of its four published outputs.
for i, expected in enumerate(GOLDEN, 1):
    given = json.loads((folder / f"tests/test_input_{i}.json").read_text())
    messages = given["messages"] if isinstance(given, dict) else given
    if isinstance(given, dict) and "tools" in given:
        messages[0]["tools"] = given["tools"]
    mode = "chat" if i == 4 else "thinking"
    assert digest(official.encode_messages(messages, thinking_mode=mode)) == expected, i

rng = random.Random(20260424)
WORDS = ["one", " two", "\n", "\n\n", "3.5", "漢字", "é", "😀", "<", ">", '"', "\\", "<b>", "{", "}", "</tool_result>", "\t", "",
         " ", "< think >", "｜", "name=", ' string="true"', "\u2028", "\x07", "\x7f"]
KEYS = ["x", "s", "7", "10", "a b", "", "arguments", "ключ", "name", "__proto__"]
JSON = ["1", "-0", "2.0", "-0.0", "1e5", "1e16", "1.5E-7", "0.0001", "123456789012345678901234567890", "1e400", "-1e400", "NaN",
        "9007199254740993", "0.1", "5e-324", "true", "false", "null", '""', '"hi"', '"<&>/"', '"\\u0007\\n\\u00e9\\ud83d\\ude00"',
        "[]", "{}", "[1, [2.50, {}]]", '{"b":1,"a":[true,null],"1":2.0}', "1.7976931348623157e308", "100000000000000000000.0"]


def words(most: int = 6) -> str:
    return "".join(rng.choice(WORDS) for _ in range(rng.randint(0, most)))


def arguments() -> str:
    if rng.random() < 0.1:
        return rng.choice(["", "not json", '{"x": 01}', '{"x": 1,}', "{'x': 1}", '{"x": "a\nb"}', '{"x":1} ', "\ufeff{}"])
    pairs = [f"{json.dumps(rng.choice(KEYS), ensure_ascii=rng.random() < 0.5)}{rng.choice([':', ' : '])}{rng.choice(JSON)}"
             for _ in range(rng.randint(0, 4))]
    return "{" + rng.choice([",", ", ", " ,\n"]).join(pairs) + "}"


def tool(i: int) -> dict:
    parameters = {"type": "object", "properties": {key: {"type": "string", "default": json.loads(rng.choice(JSON[:9]))}
                                                   for key in rng.sample(KEYS[:6], 2)}}
    if rng.random() < 0.3:
        parameters["x-" + words(2)] = [1.25, 10.0, 2**60]
    return {"type": "function", "function": {"name": f"f{i}", "description": words(), "parameters": parameters}}


def call() -> dict:
    made = {"type": "function", "function": {"name": rng.choice(["f0", "f1", "g h", 'q"t']), "arguments": arguments()}}
    if rng.random() < 0.8:
        made = {"id": rng.choice("abcd"), **made}
    return made


def message() -> dict:
    role = rng.choices(["system", "developer", "user", "assistant", "tool", "latest_reminder"], [2, 1, 6, 6, 5, 1])[0]
    made = {"role": role, "content": words()}
    if role in ("system", "developer"):
        if rng.random() < 0.15:
            made["tools"] = [tool(i) for i in range(rng.randint(0, 2))]
        if rng.random() < 0.2:
            made["response_format"] = rng.choice([{}, {"type": "object"}, {"type": "array", "minItems": 1.0, "é": None}])
        if role == "developer":
            made["content"] += "!"
    if role == "assistant":
        if rng.random() < 0.6:
            made["reasoning_content"] = words()
        if rng.random() < 0.4:
            made["tool_calls"] = [call() for _ in range(rng.randint(0, 3))]
        if rng.random() < 0.15:
            made["wo_eos"] = True
        if rng.random() < 0.1:
            made["content"] = None
    if role == "tool":
        if rng.random() < 0.9:
            made["tool_call_id"] = rng.choice("abcde")
        if rng.random() < 0.2:
            made["content"] = [{"type": "text", "text": words()}, {"type": "image", "data": "…"}, {"type": "text", "text": words()}]
    if role != "tool" and rng.random() < 0.07:
        made["task"] = rng.choice(sorted(official.VALID_TASKS))
    return made


MODES = {"nonthink": ("chat", None), "high": ("thinking", "high"), "max": ("thinking", "max")}
lines = []
for _ in range(120):
    mode = rng.choice(["nonthink", "high", "high", "max"])
    thinking_mode, effort = MODES[mode]
    case = {"mode": mode, "messages": [message() for _ in range(rng.randint(1, 9))]}
    if rng.random() < 0.2:
        case["context"] = [message() for _ in range(rng.randint(1, 5))]
    if rng.random() < 0.3:
        case["keepReasoning"] = True
    if rng.random() < 0.1:
        case["withoutBos"] = True
    text = official.encode_messages(
        case["messages"],
        thinking_mode=thinking_mode,
        context=case.get("context"),
        drop_thinking=not case.get("keepReasoning", False),
        add_default_bos_token=not case.get("withoutBos", False),
        reasoning_effort=effort,
    )
    lines.append({**case, "sha256": digest(text)})


def write(name: str, rows: list) -> None:
    body = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    (Path(__file__).parent / name).write_text(f"[\n{body}\n]\n")


write("conversations.json", lines)

# Replies: what an assistant's message is rendered to behind its prompt, whole or with a piece lost, doubled or put in.
TAGS = ["<think>", "</think>", official.eos_token, official.bos_token, "｜DSML｜", "\n\n<｜DSML｜tool_calls", "<｜DSML｜tool_calls>\n",
        '<｜DSML｜invoke name="f">\n', "</｜DSML｜invoke>", "\n", '">', "</｜DSML｜parameter>", "</｜DSML｜tool_calls>", "x",
        '<｜DSML｜parameter name="x" string="false">1</｜DSML｜parameter>']
user = {"role": "user", "content": "u"}
replies = []
for n in range(240):
    thinking = rng.random() < 0.7
    mode = "thinking" if thinking else "chat"
    calls = [call() for _ in range(rng.randint(0, 3))] if rng.random() < 0.7 else []
    answer = {"role": "assistant", "content": words(), "reasoning_content": words(), "tool_calls": calls}
    prompt = official.encode_messages([user], thinking_mode=mode)
    text = official.encode_messages([user, answer], thinking_mode=mode)[len(prompt):]
    if n % 4:
        at, width = rng.randint(0, len(text)), rng.randint(1, 12)
        kind = rng.choice(["lost", "cut", "doubled", "inserted", "inserted"])
        text = {"lost": text[:at] + text[at + width:], "cut": text[:at], "doubled": text[:at + width] + text[at:],
                "inserted": text[:at] + rng.choice(TAGS) + text[at:]}[kind]
    try:
        parsed = official.parse_message_from_completion_text(text, mode)
        calls = [[made["function"]["name"], made["function"]["arguments"]] for made in parsed["tool_calls"]]
        found = [parsed["reasoning_content"], parsed["content"], calls]
    except (AssertionError, ValueError):
        found = None
    replies.append({"mode": "high" if thinking else "nonthink", "text": text, "parsed": found})
write("replies.json", replies)
