import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'

const metrics = new Metrics({ namespace: 'Keyturn' })

/** Counts one outcome in CloudWatch, by what is known of the rotation. */
export function count(outcome: string, dimensions: Record<string, string>): void {
  measure(outcome, 1, MetricUnit.Count, dimensions)
}

/** Writes one value of a metric for CloudWatch. */
export function measure(
  name: string,
  value: number,
  unit: (typeof MetricUnit)[keyof typeof MetricUnit],
  dimensions: Record<string, string> = {},
): void {
  metrics.addDimensions(dimensions).addMetric(name, unit, value)
  metrics.publishStoredMetrics()
}
