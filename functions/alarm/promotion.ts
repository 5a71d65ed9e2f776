import { promotionRemedy } from '../../fleet/promotion/remedies.ts'
import { short } from '../../rotation/short.ts'
import type { Detail } from './event.ts'
import type { Headline } from './headlines.ts'
import { listed } from './words.ts'

type Told = Detail['promotion']

/** What a failure has of this. */
type Failure = {
  headline: Headline
  execution?: string | undefined
  error?: string | undefined
  cause?: string | undefined
  what: string
  more?: [label: string, value: string][]
  name?: string
}

/** What a promotion could not do; undefined if all is promoted. */
export function ofPromotion(execution: string | undefined, promotion: Told): Failure | undefined {
  const { from = 'another Region', failed, unknown = 0 } = promotion ?? {}
  const { count = 0, names = [] } = failed ?? {}
  if (!count && !unknown) return undefined
  return {
    headline: 'promotion',
    execution,
    what: `${count + unknown} credentials of ${short(from, 60)} were not promoted`,
    more: [
      ['Not promoted', listed(names, count, 8000)],
      ...(unknown ? [['Not known', `${unknown}`] as [string, string]] : []),
      ...remediesOf(names),
    ],
  }
}

/** What a rehearsal found for the first time. */
export function ofRehearsal(execution: string | undefined, promotion: Told): Failure {
  const { from = 'another Region', news } = promotion ?? {}
  const { count = 0, names = [] } = news ?? {}
  return {
    headline: 'notReady',
    execution,
    what: `${count} credentials could not be promoted if ${short(from, 60)} were lost`,
    more: [['Not ready', listed(names, count, 8000)], ...remediesOf(names)],
  }
}

/** Whoever started it has had the answer: it refused, and changed nothing. */
const refusals = ['RegionAnswers', 'InvalidInput']

/** That an execution of promote ended otherwise than by its report. */
export function ofEnd({ status, error, cause, executionArn }: Detail): Failure | undefined {
  if (error && refusals.includes(error)) return undefined
  return {
    headline: 'promotionEnded',
    error: error ?? status,
    cause: cause && short(cause),
    what: 'a promotion or its rehearsal failed',
    name: `promotion failed ${executionArn?.split(':').at(-1)}`,
  }
}

/** What to do about each error in a list of `NAME: ERROR: REASON`. */
function remediesOf(names: string[]): [string, string][] {
  const errors = new Set(names.flatMap(text => /: (\w+): /.exec(text)?.[1] ?? []))
  return [...errors].map(error => [short(error, 60), promotionRemedy(error)])
}
