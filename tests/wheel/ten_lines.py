import sys

import ecgcore

record = ecgcore.read(sys.argv[1])
measurements = ecgcore.measure(record)
print(f"{measurements.rate_bpm:.0f} /min, QRS {measurements.qrs_ms:.0f} ms")
ecgcore.plot(record, "ecg.pdf")
model = ecgcore.load_model("alexnet_m_se_gap")
print(dict(zip(model.classes, model.predict_proba(record)[0].round(3).tolist(), strict=True)))
print(ecgcore.explain(record, "NSR", model).lead_relevance)
