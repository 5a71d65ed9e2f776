import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'

const metrics = new Metrics({ namespace: 'Keyturn' })

/** Adds one to the metric `outcome` of CloudWatch's namespace Keyturn. */
export function count(outcome: string, dimensions: Record<string, string>): void {
  measure(outcome, 1, MetricUnit.Count, dimensions)
}

/** Writes one value of a metric of CloudWatch's namespace Keyturn, as a line of the log. */
export function measure(
  name: string,
  value: number,
  unit: (typeof MetricUnit)[keyof typeof MetricUnit],
  dimensions: Record<string, string> = {},
): void {
  metrics.addDimensions(dimensions).addMetric(name, unit, value)
  metrics.publishStoredMetrics()
}
