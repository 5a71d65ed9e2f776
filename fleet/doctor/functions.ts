import { type CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch'
import {
  type FunctionConfiguration,
  GetEventSourceMappingCommand,
  GetFunctionConfigurationCommand,
  type LambdaClient,
} from '@aws-sdk/client-lambda'
import { DAY_MS, HOUR_SECONDS } from '../../rotation/timeUnits.ts'
import { runtimeDeprecatedSince } from '../audit/runtimes.ts'
import { minuteOf } from '../minute.ts'
import { type Check, deployAgainRemedy, type ExaminedStack, okCheck } from './check.ts'

/** Checks whether a function can run. @param about the function's name */
export async function lookAtFunction(
  lambda: LambdaClient,
  about: string,
  place: ExaminedStack,
): Promise<Check[]> {
  const found = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: about }))
  return [checkFunction(about, found, place)]
}

/** The check of a function, by what GetFunctionConfiguration gives of it. @param about the function's name */
export function checkFunction(about: string, found: FunctionConfiguration, place: ExaminedStack): Check {
  const { Runtime, State, StateReason = '', LastUpdateStatus, LastUpdateStatusReason = '' } = found
  const kind = 'function'
  const remedy = deployAgainRemedy(place)
  if (State === 'Failed') return { kind, about, state: 'failed', says: `cannot run: ${StateReason}`, remedy }
  if (LastUpdateStatus === 'Failed')
    return { kind, about, state: 'failed', says: `was not updated: ${LastUpdateStatusReason}`, remedy }
  const since = runtimeDeprecatedSince(Runtime, place.moment)
  if (since)
    return {
      kind,
      about,
      state: 'failed',
      says: `is on ${Runtime}, which AWS deprecated on ${since}`,
      remedy,
    }
  if (State === 'Inactive')
    return {
      kind,
      about,
      state: 'warning',
      says: 'was idle for weeks: its next call fails, and the one after that goes well',
      remedy: 'A rotation calls it again by itself, and tries again; nothing is to be done.',
    }
  return okCheck(kind, about)
}

/** Checks whether an event source mapping is enabled, so that its function reads the queue. @param UUID of the mapping */
export async function lookAtEventSourceMapping(
  lambda: LambdaClient,
  UUID: string,
  { region }: ExaminedStack,
): Promise<Check[]> {
  const found = await lambda.send(new GetEventSourceMappingCommand({ UUID }))
  const { State = '', EventSourceArn = '', FunctionArn = '' } = found
  const [queue = UUID, name = ''] = [EventSourceArn, FunctionArn].map(arn => arn.split(':').at(-1))
  const about = `${queue} to ${name}`
  if (!/^Disabl|^Delet/.test(State)) return [okCheck('reader', about)]
  return [
    {
      kind: 'reader',
      about,
      state: 'failed',
      says: `is ${State}: what comes to the queue stays there`,
      remedy: `aws lambda update-event-source-mapping --uuid ${UUID} --enabled --region ${region}`,
    },
  ]
}

/** How many queries one call takes. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html */
const MAX_METRIC_QUERY_COUNT = 500

/**
 * Checks which functions had failed calls in the last 24 hours. The failed step of a rotation is such a call as well.
 * @param functions names
 */
export async function lookAtErrors(
  cloudWatch: CloudWatchClient,
  functions: string[],
  { moment, region }: ExaminedStack,
): Promise<Check[]> {
  const EndTime = new Date(moment)
  const MetricDataQueries = functions.slice(0, MAX_METRIC_QUERY_COUNT).map((name, n) => ({
    Id: `f${n}`,
    MetricStat: {
      Metric: {
        Namespace: 'AWS/Lambda',
        MetricName: 'Errors',
        Dimensions: [{ Name: 'FunctionName', Value: name }],
      },
      Period: HOUR_SECONDS,
      Stat: 'Sum',
    },
  }))
  const StartTime = new Date(EndTime.getTime() - DAY_MS)
  const { MetricDataResults = [] } = await cloudWatch.send(
    new GetMetricDataCommand({ StartTime, EndTime, MetricDataQueries }),
  )
  return functions.map((about, n) => {
    const result = MetricDataResults.find(({ Id }) => Id === `f${n}`)
    if (!result || !['Complete', 'PartialData', undefined].includes(result.StatusCode))
      return { kind: 'errors', about, state: 'unread', says: 'CloudWatch did not tell of its errors' }
    const { Values = [], Timestamps = [] } = result
    const sum = Values.reduce((all, value) => all + value, 0)
    if (!sum) return okCheck('errors', about)
    const hours = Timestamps.filter((_, i) => Values[i]).map(at => at.toISOString())
    const last = minuteOf(hours.sort().at(-1) ?? '')
    return {
      kind: 'errors',
      about,
      state: 'warning',
      says: `failed ${sum} ${sum === 1 ? 'time' : 'times'} in the last 24 hours, last in the hour from ${last}`,
      remedy: `aws logs tail /aws/lambda/${about} --since 1d --filter-pattern ERROR --region ${region}`,
    }
  })
}
