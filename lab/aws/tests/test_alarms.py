"""Alarms of CloudWatch, asked in the two forms that SDKs speak."""

from __future__ import annotations

import unittest
import urllib.request

from lab.server import cbor

from .rig import REGION, LabTest

SIGNED = f"AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/monitoring/aws4_request, SignedHeaders=host, Signature=0"


class Alarms(LabTest):
    with_site = False

    def test_an_alarm_is_told_in_cbor(self) -> None:
        alarms = self.lab.client("cloudwatch")
        alarms.put_metric_alarm(
            AlarmName="errors", MetricName="5xx", Namespace="site", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold"
        )
        alarms.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="seen")
        request = urllib.request.Request(
            self.lab.endpoint + "/service/GraniteServiceVersion20100801/operation/DescribeAlarms",
            data=cbor.written({"AlarmNames": ["errors"]}),
            headers={"Authorization": SIGNED, "Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            told = cbor.Reader(answer.read()).value()
        [alarm] = told["MetricAlarms"]
        self.assertEqual((alarm["AlarmName"], alarm["StateValue"], alarm["Threshold"]), ("errors", "ALARM", 1.0))


class Form(unittest.TestCase):
    def test_what_is_written_is_read(self) -> None:
        value = {"a": [1, -2, 300, 70000, 1 << 40], "b": {"c": True, "d": None}, "e": "ü" * 40, "f": 1.5}
        self.assertEqual(cbor.Reader(cbor.written(value)).value(), value)
        self.assertEqual(cbor.Reader(bytes.fromhex("bf616101ff")).value(), {"a": 1})

    def test_what_is_broken_is_refused(self) -> None:
        for broken in (b"\x82\x01", b"\x9f" * 40, b"\x7a\xff\xff\xff\xff"):
            with self.assertRaises(ValueError):
                cbor.Reader(broken).value()
