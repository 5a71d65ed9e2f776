import { promotionRemedy } from '../../fleet/promotion/remedies.ts'
import { shorten } from '../../rotation/shorten.ts'
import type { EventDetail } from './event.ts'
import { listNames } from './format.ts'
import type { Headline } from './headlines.ts'

type PromotionDetail = EventDetail['promotion']

/** The fields of a Failure that the failure of a promotion has. */
type PromotionFailure = {
  headline: Headline
  execution?: string | undefined
  error?: string | undefined
  cause?: string | undefined
  whatFailed: string
  moreFacts?: [label: string, value: string][]
  key?: string
}

/** The failure of a promotion that could not promote every credential; undefined if it could. */
export function promotionFailure(
  execution: string | undefined,
  promotion: PromotionDetail,
): PromotionFailure | undefined {
  const { from = 'another Region', failed, unknown = 0 } = promotion ?? {}
  const { count = 0, names = [] } = failed ?? {}
  if (!count && !unknown) return undefined
  return {
    headline: 'promotion',
    execution,
    whatFailed: `${count + unknown} credentials of ${shorten(from, 60)} were not promoted`,
    moreFacts: [
      ['Not promoted', listNames(names, count, 8000)],
      ...(unknown ? [['Not known', `${unknown}`] as [string, string]] : []),
      ...remediesOf(names),
    ],
  }
}

/** The failure that a rehearsal found for the first time: credentials that could not be promoted. */
export function rehearsalFailure(
  execution: string | undefined,
  promotion: PromotionDetail,
): PromotionFailure {
  const { from = 'another Region', news } = promotion ?? {}
  const { count = 0, names = [] } = news ?? {}
  return {
    headline: 'notReady',
    execution,
    whatFailed: `${count} credentials could not be promoted if ${shorten(from, 60)} were lost`,
    moreFacts: [['Not ready', listNames(names, count, 8000)], ...remediesOf(names)],
  }
}

/** The errors of an execution of promote that refused its input and changed nothing. Who started it has seen the error. */
const REFUSAL_ERRORS = ['RegionAnswers', 'InvalidInput']

/** The failure of an execution of promote that ended without a report; undefined if it only refused its input. */
export function promotionEndFailure({
  status,
  error,
  cause,
  executionArn,
}: EventDetail): PromotionFailure | undefined {
  if (error && REFUSAL_ERRORS.includes(error)) return undefined
  return {
    headline: 'promotionEnded',
    error: error ?? status,
    cause: cause && shorten(cause),
    whatFailed: 'a promotion or its rehearsal failed',
    key: `promotion failed ${executionArn?.split(':').at(-1)}`,
  }
}

/** What to do about each error in a list of `NAME: ERROR: REASON`. */
function remediesOf(names: string[]): [string, string][] {
  const errors = new Set(names.flatMap(text => /: (\w+): /.exec(text)?.[1] ?? []))
  return [...errors].map(error => [shorten(error, 60), promotionRemedy(error)])
}
