import { givenUpTag, HOME } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credentialId.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { plain } from '../output.ts'
import type { Stack } from '../stack.ts'
import type { Say } from '../watch/view.ts'
import type { Calls } from './calls.ts'
import type { Followed } from './follow.ts'
import { type Action, flags, type Request } from './request.ts'

/** What an action works with. */
export type Work = { context: Context; stack: Stack; request: Request; calls: Calls; signal: AbortSignal }

/** What is to be done with one secret: `about` is what whoever confirms it should know. */
export type Plan = {
  found: FoundSecret
  about: string[]
  /** Whether the Region's name has to be typed. */
  typed?: boolean
}

/** How it went with one secret. */
export type Told = { code: ExitCode; result: string; says: string; remedy?: string }
export type Outcome = Told & { found: FoundSecret; followed?: Followed }

/** One action on a secret's replica in a Region. */
export type Act = {
  /** Whether somebody has to confirm it even for one secret. */
  asks: boolean
  /** Whether it sets tags of this release. */
  tags: boolean
  /** Looks whether it can be done. @throws CommandError if not; nothing was changed */
  plan(work: Work, found: FoundSecret): Promise<Plan>
  run(work: Work, found: FoundSecret, say: Say): Promise<Told & { followed?: Followed }>
}

/** How somebody calls an action on this secret. */
export const callFor = (action: Action, region: string, { name }: FoundSecret): string =>
  `keyturn replicas secret:${plain(name)} ${flags[action]} ${region}`

/** How somebody has a secret be at home in a Region. */
export const setHome = (name: string, region: string): string =>
  `aws secretsmanager tag-resource --region ${region} --secret-id ${plain(name)} --tags Key=${HOME},Value=${region}`

export const refused = (message: string, remedy?: string) => new CommandError(exit.usage, message, remedy)

/** What has the secret's name in a Region is a secret of its own. */
export const standsAlone = ({ name }: FoundSecret, region: string) =>
  refused(
    `a secret of its own has that name in ${region}, as after a promotion: it is neither overwritten nor deleted`,
    lookAt(name, region),
  )

export const noReplica = (found: FoundSecret, region: string) =>
  refused(
    `it has no replica in ${region}`,
    `keyturn replicas secret:${plain(found.name)} shows those it has; ${callFor('add', region, found)} makes one.`,
  )

/** A Region that was given up is waited for again as soon as somebody works on its replica. */
export async function takeBack({ calls, request }: Work, { arn, tags }: FoundSecret): Promise<void> {
  const tag = givenUpTag(request.region)
  if (tag in tags) await calls.untag(arn, tag)
}

/** What the end of a wait says. */
export function toldOf(
  { request: { region, wait } }: Work,
  found: FoundSecret,
  followed: Followed,
): Told & { followed: Followed } {
  const { end, status, there } = followed
  const shows = `keyturn replicas secret:${plain(found.name)} shows how it goes; if it stays so: ${callFor('repair', region, found)}.`
  const older = there.state === 'behind' ? '; applications there get an older version' : ''
  const told: Record<Followed['end'], Told> = {
    follows: { code: exit.done, result: 'follows', says: `${region} has the current version` },
    unseen: {
      ...{ code: exit.findings, result: 'unseen' },
      says: `InSync in ${region}, which cannot be asked for the version: ${there.why}`,
    },
    failed: {
      ...{ code: exit.failed, result: 'failed', says: `${status} in ${region}${older}` },
      remedy: remedyFor(status, found, region),
    },
    late: {
      ...{ code: exit.stopped, result: 'late', remedy: shows },
      says: `${status} in ${region} after ${wait / 1000} s${older}; it goes on`,
    },
    stopped: {
      ...{ code: exit.stopped, result: 'not-watched', remedy: shows },
      says: `${status} in ${region}, and not looked at any more; it goes on`,
    },
  }
  return { ...told[end], followed }
}

/** Something else has the name there. */
export const isInTheWay = (status: string) => /already exists/i.test(status)

const remedyFor = (status: string, found: FoundSecret, region: string) =>
  isInTheWay(status)
    ? `What stands there may be a secret that was promoted, and is never overwritten. ${lookAt(found.name, region)}`
    : `Mend what the message names, then: ${callFor('repair', region, found)}.`

const lookAt = (name: string, region: string) =>
  `Look at it: aws secretsmanager describe-secret --region ${region} --secret-id ${plain(name)}; keep it unless you know that nobody reads it.`
