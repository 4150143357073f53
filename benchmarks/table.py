"""Every benchmark by name: what runs it, and which tests must be green before it says a figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Benchmark:
    """One line of the table."""

    about: str  # one sentence
    run: str  # "module:function", called with a Recorder and Options
    tests: tuple[str, ...]  # paths from the project's root


FORECAST = ("tests/tasks/forecast",)
LANGUAGE = (
    "tests/nn/test_language.py",
    "tests/tasks/text/test_language_model.py",
    "tests/tasks/text/language/test_generate.py",
)
HEALTH = ("tests/data/health", "tests/tasks/health")
TEXT_CLASSES = ("tests/tasks/text/test_classifier.py", "tests/tasks/text/classification")
SERVE = ("tests/benchmarks/test_serving.py", "tests/serve")
ENGINE = (
    "tests/serve/stores",
    "tests/serve/test_engine.py",
    "tests/serve/test_engine_states.py",
    "tests/benchmarks/test_serving_crash.py",
)
LAYER = ("tests/conformance/test_backends.py", "tests/nn/test_lstm_drop_in.py")

BENCHMARKS: dict[str, Benchmark] = {
    "forecast-etth1": Benchmark(
        "ETTh1, lookback 96, four horizons, three seeds: MSE and MAE.",
        "benchmarks.forecast_etth1:run",
        FORECAST,
    ),
    "forecast-m4-hourly": Benchmark(
        "M4 Hourly, one model for 414 series: OWA and coverage.",
        "benchmarks.forecast_m4_hourly:run",
        FORECAST,
    ),
    "forecast-hello": Benchmark(
        "Airline passengers from a cold start on one thread, and the time of the import.",
        "benchmarks.forecast_hello:run",
        FORECAST,
    ),
    "forecast-update": Benchmark(
        "One new observation, then a forecast: milliseconds by length of the series.",
        "benchmarks.forecast_update:run",
        FORECAST,
    ),
    "forecast-peers": Benchmark(
        "Forecasting libraries on ETTh1 and airline passengers: accuracy, time, memory, import.",
        "benchmarks.forecast_peers:run",
        ("tests/benchmarks/test_protocol.py",),
    ),
    "arrays-ucr": Benchmark(
        "Eight sets of the UCR archive, official splits, default settings: accuracy.",
        "benchmarks.arrays_ucr:run",
        ("tests/tasks/arrays",),
    ),
    "text-shakespeare": Benchmark(
        "Shakespeare by characters, twenty minutes of training: nats per character.",
        "benchmarks.text_shakespeare:run",
        LANGUAGE,
    ),
    "text-speed": Benchmark(
        "Characters per second in training and writing, beside torch's layer and a small GPT.",
        "benchmarks.text_speed:run",
        LANGUAGE,
    ),
    "text-sst2": Benchmark(
        "Sentiment of sentences in two classes, published splits, three seeds: accuracy.",
        "benchmarks.text_classify:sst2",
        TEXT_CLASSES,
    ),
    "text-sst5": Benchmark(
        "Sentiment of sentences in five classes, published splits, one seed: accuracy.",
        "benchmarks.text_classify:sst5",
        TEXT_CLASSES,
    ),
    "text-trec": Benchmark(
        "What a question asks for, six classes, published splits, three seeds: accuracy.",
        "benchmarks.text_classify:trec",
        TEXT_CLASSES,
    ),
    "text-ner": Benchmark(
        "NCBI-disease, official split, three seeds: entity F1 and CPU seconds.",
        "benchmarks.text_ner:run",
        ("tests/nn/test_crf.py", "tests/nn/test_tagging.py", "tests/tasks/text/tagging"),
    ),
    "translate-multi30k": Benchmark(
        "German to English on Multi30k within an hour: BLEU and chrF of the 2016 test set.",
        "benchmarks.translate_multi30k:run",
        ("tests/tasks/text/test_beam.py", "tests/nn/test_translation.py"),
    ),
    "health-p12": Benchmark(
        "Death in hospital from 48 hours of intensive care, PhysioNet 2012, five folds: AUROC.",
        "benchmarks.health_p12:run",
        HEALTH,
    ),
    "health-peers": Benchmark(
        "PhysioNet 2012's first fold beside PyPOTS' GRU-D: seconds to fit and predict, AUROC.",
        "benchmarks.health_peers:run",
        HEALTH,
    ),
    "health-sepsis": Benchmark(
        "A risk of sepsis every hour, PhysioNet 2019, split by patient: utility, AUROC, lead time.",
        "benchmarks.health_sepsis:run",
        HEALTH,
    ),
    "health-ecg": Benchmark(
        "Heart beats in two classes, the UCR archive's ECG sets, five seeds: accuracy and risks.",
        "benchmarks.health_ecg:run",
        ("tests/tasks/arrays", "tests/tasks/health/test_metrics.py"),
    ),
    "health-records": Benchmark(
        "MIMIC-IV demo, from tables to next-admission codes and labs, 5 folds by patient.",
        "benchmarks.health_records:run",
        (
            "tests/data/health",
            "tests/tasks/health/test_records_model.py",
            "tests/nn/test_records.py",
        ),
    ),
    "layer-cpu": Benchmark(
        "Inference of one layer on a CPU, beside torch's layer and ONNX Runtime.",
        "benchmarks.layer_cpu:run",
        LAYER,
    ),
    "layer-train-cpu": Benchmark(
        "Forward and backward of one layer on a CPU, beside torch's layer.",
        "benchmarks.layer_train_cpu:run",
        LAYER,
    ),
    "layer-sweep": Benchmark(
        "Inference of one layer of forty random shapes, beside torch's layer.",
        "benchmarks.layer_sweep:run",
        LAYER,
    ),
    "variants": Benchmark(
        "Each variant of the cell on a CPU, inference and training, beside the plain layer.",
        "benchmarks.variants:run",
        (*LAYER, "tests/nn/test_lstm_variants.py"),
    ),
    "irregular": Benchmark(
        "Layers for irregular time on a CPU, forward and backward, beside loops in torch.",
        "benchmarks.irregular:run",
        ("tests/ops/test_elapsed.py", "tests/nn/test_irregular_layers.py"),
    ),
    "ragged": Benchmark(
        "Sequences of unequal lengths, beside torch's packed ones.",
        "benchmarks.ragged:run",
        LAYER,
    ),
    "memory": Benchmark(
        "Peak memory of training on long sequences, beside torch's layer.",
        "benchmarks.memory:run",
        LAYER,
    ),
    "step": Benchmark(
        "One step of an LSTM layer without torch, beside torch's layer and cell and ONNX Runtime.",
        "benchmarks.step:run",
        ("tests/runtime/test_lstm_kernel.py", "tests/runtime/test_chain.py"),
    ),
    "runtime-step": Benchmark(
        "Many entities' packed states stepped at once on one core, beside torch and ONNX Runtime.",
        "benchmarks.runtime_step:run",
        ("tests/runtime",),
    ),
    "quantize": Benchmark(
        "Trained forecasters with weights in bf16 and int8: held-out error, deviation, bytes.",
        "benchmarks.quantize:run",
        ("tests/runtime/test_stored_weights.py",),
    ),
    "serve-load": Benchmark(
        "The server under an open loop of load: delays by offered rate, what it sustains, memory.",
        "benchmarks.serve_load:run",
        SERVE,
    ),
    "serve-peers": Benchmark(
        "The served model stepped by other runtimes, durably or not, and Triton beside the server.",
        "benchmarks.serve_peers:run",
        SERVE,
    ),
    "serve-soak": Benchmark(
        "Half an hour of mixed load: whether memory, descriptors and files stay as they are.",
        "benchmarks.serve_soak:run",
        SERVE,
    ),
    "serve-crash": Benchmark(
        "The server killed under load, and its disk broken at each change: what is lost or wrong.",
        "benchmarks.serve_crash:run",
        ENGINE,
    ),
    "serve-shards": Benchmark(
        "Three servers on PostgreSQL, one killed under load: what is lost, how long it takes.",
        "benchmarks.serve_shards:run",
        SERVE,
    ),
}
