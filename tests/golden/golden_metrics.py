"""Writes metrics.json: texts, labels and the figures that sacrebleu, jiwer, seqeval and scikit-learn give them.

    pip install sacrebleu==2.6.0 jiwer==4.0.0 seqeval==1.2.2 scikit-learn==1.9.1
    python golden_metrics.py [--output DIRECTORY]

Two runs with the same versions write the same bytes. README.md says what the file holds.
"""

import argparse
import json
import logging
import random
import warnings
from pathlib import Path

import jiwer
import sacrebleu
import seqeval
import sklearn
from sacrebleu.metrics import BLEU, CHRF
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix
from sklearn.metrics import precision_recall_fscore_support as class_scores

CORPORA = {
    "english": {
        "hypotheses": [
            "The cat sat on the mat, and nobody minded.",
            "Prices rose by 3.5 % in 2021-2022 -- that is 1,200 euros...",
            "He said: \"I saw a saw\"; she didn't believe him!",
            "A short one",
            "well-known   words\tand  strange white\u00a0space \u3000 here",
            "AT&amp;T &lt;b&gt; &quot;quoted&quot; <skipped>words e-mail: a.b@c.org/x_y#z",
        ],
        "references": [[
            "The cat sat on the mat and nobody cared.",
            "Prices went up by 3.5% in 2021-2022, that is 1,200 euros.",
            "He said: \"I saw a saw\", but she did not believe him!",
            "A short one.",
            "well-known words and strange white space here",
            "AT&T <b> \"quoted\" words e-mail: a.b@c.org/x_y#z",
        ]],
    },
    "two_references": {
        "hypotheses": ["the the the the quick fox", "it rains , it pours", "", "nothing in common"],
        "references": [
            ["the quick brown fox jumps", "it is raining and pouring", "an empty line", "quite different"],
            ["the fox the quick", "it rains, it pours and it rains", "so it is", "entirely other words here now"],
        ],
    },
    "chinese": {
        "hypotheses": [
            "我昨天看見一把鋸子。",
            "這個模型有 3.5 億個參數,訓練了2,000小時。",
            "他說:“saw 這個字有兩個意思”……真的嗎?",
            "「引號」與(括號)、全形ABC123",
            "罕見字\U00020000與\U0002a6d6也要算",
            " 。 ",
        ],
        "references": [[
            "我昨天看到了一把鋸子。",
            "該模型有3.5億個參數,訓練了2,000個小時。",
            "他說:“saw這個詞有兩個意思”…真的嗎?",
            "「引號」和(括號)、全形ABC 123",
            "罕見字\U00020000和\U0002a6d6也算",
            "。",
        ]],
    },
    "other_scripts": {
        "hypotheses": ["Ça n’est pas très élégant, hélas…", "Это не очень красиво .", "Straße ÄÖÜ — naïve café", "ok 👍🏽 done"],
        "references": [["Ce n’est pas très élégant, hélas !", "Это совсем некрасиво.", "Strasse ÄÖÜ – naïve Café", "ok 👍 done."]],
    },
    "exact": {"hypotheses": ["one two three four five", "a b"], "references": [["one two three four five", "a b"]]},
    "nothing_right": {"hypotheses": ["aaa bbb ccc ddd", "x"], "references": [["www xxx yyy zzz", "y"]]},
    "empty_hypotheses": {"hypotheses": ["", "   "], "references": [["some words", "more words"]]},
    "points": {
        "hypotheses": ["...a..1..2.,3 ,4.,.. 5-6 7-x -8 9--1", ".5 5. ,5 5, 1.a a.1 '' 'it's' `x` (hi) [a] {b} ~"],
        "references": [["... a .. 1..2.,3,4 .,.. 5 -6 7 - x -8 9- -1", ". 5 5 . 1.a a.1 ' 'it ' s' `x` ( hi) [a] {b} ~"]],
    },
    "single_characters": {"hypotheses": ["a", "ab", "abc."], "references": [["a", "ac", "abc"]]},
}

BLEU_OPTIONS = [
    dict(tokenize="13a"), dict(tokenize="none"), dict(tokenize="char"), dict(tokenize="zh"),
    dict(tokenize="13a", smooth_method="floor"), dict(tokenize="13a", smooth_method="floor", smooth_value=0.5),
    dict(tokenize="13a", smooth_method="add-k"), dict(tokenize="13a", smooth_method="none"),
    dict(tokenize="13a", effective_order=True), dict(tokenize="13a", max_ngram_order=2),
    dict(tokenize="13a", smooth_method="add-k", effective_order=True), dict(tokenize="13a", lowercase=True),
]
CHRF_OPTIONS = [
    dict(), dict(word_order=2), dict(word_order=1), dict(beta=1), dict(whitespace=True), dict(char_order=2, word_order=3),
    dict(char_order=0, word_order=2), dict(lowercase=True),
]

ERROR_PAIRS = [
    ["the cat sat", "the cat sat down"], ["the the cat sat", "the cat sat"], ["a dog sat", "the cat sat"],
    ["", "two words"], ["  spaces   between words ", "spaces between words"], ["naïve café", "naive café!"],
    ["我看見鋸子", "我看到一把鋸子"], ["kitten", "sitting"], ["intention", "execution"], ["abcdef", "abcdef"],
    ["I saw a saw", "I saw saw a"],
]

LABELS = {
    "conlleval": {
        "targets": [["B-PER", "I-PER", "O", "B-LOC"], ["O", "O"], ["B-ORG", "I-ORG", "I-ORG", "O", "B-PER"],
                    ["B-LOC", "B-LOC", "I-LOC"], ["O", "B-MISC"]],
        "predictions": [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-PER"], ["B-ORG", "I-ORG", "O", "O", "I-PER"],
                        ["B-LOC", "I-LOC", "I-LOC"], ["O", "O"]],
    },
    "odd_inside": {
        "targets": [["I-PER", "I-PER", "B-PER"], ["I-LOC", "I-ORG", "O", "I-ORG"], ["B-A-B", "I-A-B", "I-A"]],
        "predictions": [["B-PER", "I-PER", "I-PER"], ["I-LOC", "B-ORG", "O", "B-ORG"], ["B-A-B", "I-A-B", "B-A"]],
    },
    "single_and_end": {
        "targets": [["S-PER", "B-LOC", "I-LOC", "E-LOC", "O"], ["B-X", "E-X", "E-X", "I-X"]],
        "predictions": [["S-PER", "B-LOC", "E-LOC", "O", "S-LOC"], ["B-X", "E-X", "S-X", "I-X"]],
    },
    "without_types": {"targets": [["B", "I", "O", "B"]], "predictions": [["B", "I", "O", "I"]]},
    "no_spans": {"targets": [["O", "O"]], "predictions": [["O", "O"]]},
    "only_predicted": {"targets": [["O", "O"]], "predictions": [["B-PER", "O"]]},
}


def bleu_cases():
    for corpus, texts in CORPORA.items():
        for options in BLEU_OPTIONS:
            score = BLEU(force=True, **options).corpus_score(texts["hypotheses"], texts["references"])
            yield {"corpus": corpus, "options": options, "score": score.score, "precisions": score.precisions,
                   "brevity_penalty": score.bp, "hypothesis_length": score.sys_len, "reference_length": score.ref_len}


def chrf_cases():
    for corpus, texts in CORPORA.items():
        for options in CHRF_OPTIONS:
            score = CHRF(**options).corpus_score(texts["hypotheses"], texts["references"])
            yield {"corpus": corpus, "options": options, "score": score.score}


def error_cases():
    for hypothesis, reference in ERROR_PAIRS:
        words = jiwer.process_words(reference, hypothesis)
        characters = jiwer.process_characters(reference, hypothesis)
        yield {"hypothesis": hypothesis, "reference": reference,
               "word_edits": words.substitutions + words.deletions + words.insertions, "wer": words.wer,
               "character_edits": characters.substitutions + characters.deletions + characters.insertions,
               "cer": characters.cer}


def span_cases():
    for name, labels in LABELS.items():
        targets, predictions = labels["targets"], labels["predictions"]
        case = {"name": name, "spans": [[list(span) for span in get_entities(one)] for one in targets], **labels}
        # Without any span seqeval's other averages are the mean of nothing.
        for average in ("micro",) if name == "no_spans" else ("micro", "macro", "weighted"):
            precision, recall, f1, support = precision_recall_fscore_support(targets, predictions, average=average)
            case[average] = [float(precision), float(recall), float(f1), int(support)]
        yield case


def class_cases():
    generator = random.Random(7)
    sets = {
        "random": ([generator.randrange(5) for _ in range(200)], [generator.randrange(5) for _ in range(200)]),
        "never_predicted": ([0, 1, 2, 2, 1, 0], [0, 1, 1, 0, 1, 0]),
        "never_a_target": ([0, 0, 1, 1], [0, 3, 1, 3]),
        "all_wrong": ([0, 1], [1, 0]),
    }
    for name, (targets, predictions) in sets.items():
        case = {"name": name, "targets": targets, "predictions": predictions,
                "accuracy": accuracy_score(targets, predictions),
                "balanced_accuracy": balanced_accuracy_score(targets, predictions),
                "matrix": confusion_matrix(targets, predictions, labels=range(5)).tolist()}
        for average in ("micro", "macro", "weighted"):
            case[average] = [float(x) for x in class_scores(targets, predictions, average=average, zero_division=0)[:3]]
        per_class = class_scores(targets, predictions, labels=range(5), average=None, zero_division=0)
        case["classes"] = [[float(x) for x in row] for row in zip(*per_class)]
        yield case


def main():
    parser = argparse.ArgumentParser(description="Writes metrics.json.")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent)
    output = parser.parse_args().output
    warnings.simplefilter("ignore")
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    golden = {
        "made_by": {"sacrebleu": sacrebleu.__version__, "seqeval": seqeval.__version__ if hasattr(seqeval, "__version__")
                    else "1.2.2", "scikit-learn": sklearn.__version__},
        "corpora": CORPORA, "bleu": list(bleu_cases()), "chrf": list(chrf_cases()), "errors": list(error_cases()),
        "spans": list(span_cases()), "classes": list(class_cases()),
    }
    path = output / "metrics.json"
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
