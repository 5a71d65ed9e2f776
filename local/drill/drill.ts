import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StateName } from '../../fleet/states.ts'
import type { PromotionReport } from '../../functions/reportPromotion.ts'
import { Application, type StoredValue } from '../client/application.ts'
import { type Proof, sayProofs } from '../client/proofs.ts'
import { say, sayAt } from '../say.ts'
import { QUERIES_PER_SECOND, SteadyApplication } from './steadyApplication.ts'
import {
  type LabelledVersion,
  LOST_REGION,
  type RotationMoment,
  type SecretArns,
  SURVIVING_REGION,
  type TwoRegions,
} from './twoRegions.ts'

/** What a state of a promotion does, for a reader who sees it go by. */
const STATE_DESCRIPTIONS: Record<string, string> = {
  FindReplicas: `the replicas of ${LOST_REGION}, which does not answer`,
  FindVersion: 'a login with current, else with previous, else with pending, once each',
  NoteBegun: 'from here on it may be half done, and another run goes on with it',
  PromoteReplica: 'a secret of its own, with the version that logs in and the host of this Region',
  NoteOutcome: 'what became of it is noted',
  ReportPromotion: 'what became of all',
  AnnouncePromotion: 'event "Promotion Finished"',
} satisfies Partial<Record<StateName<'promote'>, string>>

/** A secret, its application, and where its rotation stands when the Region is lost. */
type DrilledSecret = {
  user: string
  ids: SecretArns
  application: SteadyApplication
  lostWhen: RotationMoment
  description: string
}

/** Milliseconds for which a user that was replaced stays open: longer than an application keeps its value. */
const GRACE_MS = 1000

/** A Region is lost while two secrets rotate, and its replicas are promoted in the other one. */
export class Drill {
  readonly #regions: TwoRegions
  #played: DrilledSecret[] = []
  #lostAt = 0

  constructor(regions: TwoRegions) {
    this.#regions = regions
  }

  /** @returns true if all was as it should be */
  async run(): Promise<boolean> {
    const proven: boolean[] = []
    await this.#begin()
    proven.push(await this.#rehearse())
    try {
      await this.#rotateThere()
      const labelled = await this.#lose()
      proven.push(await this.#promote(labelled))
      proven.push(await this.#rotateHere())
      proven.push(await this.#seeItBack())
    } finally {
      await Promise.all(this.#played.map(({ application }) => application.stop()))
    }
    return !proven.includes(false)
  }

  async #begin(): Promise<void> {
    const regions = this.#regions
    await regions.startStandby()
    const billing = await regions.enrol('billing', { admin: 'master' })
    const shop = await regions.enrol('shop')
    const play = (user: string, ids: SecretArns, caught: RotationMoment, says: string): DrilledSecret => {
      const application = new SteadyApplication(this.#applicationIn('from', ids.from))
      return { user, ids, application, lostWhen: caught, description: says }
    }
    this.#played = [
      play(
        'billing',
        billing,
        { when: 'in the grace time' },
        'in its grace time: AWSCURRENT is the other user, and the one before still logs in',
      ),
      play(
        'shop',
        shop,
        { when: 'after', state: 'SetSecret' },
        'after SetSecret: the database knows the new password alone, and AWSCURRENT is the old one',
      ),
    ]
    const [old, own] = [regions.embedded.postgres, regions.standby].map(({ host, port }) => `${host}:${port}`)
    this.#title('1. Two Regions')
    this.#row(
      LOST_REGION,
      `PostgreSQL at ${old}, and three secrets: shop, a single user; billing, two users that take turns; master, the admin for that`,
    )
    this.#row(SURVIVING_REGION, `a standby of that PostgreSQL at ${own}, and a replica of each secret`)
    this.#row('host map', JSON.stringify({ [`${old}`]: own }))
  }

  async #rehearse(): Promise<boolean> {
    this.#title(`2. ${SURVIVING_REGION} rehearses its promotion, as it does every week`)
    await this.#regions.standby.waitUntilCaughtUp()
    const { count, promoted } = await this.#runPromotion({ dryRun: true })
    return sayProofs([[`${promoted} of ${count} are ready: each logs in on the standby`, promoted === 3]])
  }

  async #rotateThere(): Promise<void> {
    this.#title(
      `3. An application of each secret in ${LOST_REGION} asks the database ${QUERIES_PER_SECOND} times a second; the secrets rotate`,
    )
    for (const { application } of this.#played) application.start()
    await sleep(500)
    for (const { user, ids, application } of this.#played) {
      const { failure } = await this.#regions.rotate(ids.from, { grace: GRACE_MS })
      if (failure) throw new Error(`${user} did not rotate: ${failure.error}: ${failure.cause.errorMessage}`)
      await sleep(500)
      this.#row(
        user,
        `rotated; queries so far: ${application.served} served, ${application.failedCount} failed`,
      )
    }
  }

  /** @returns what the second Region had of each secret at that moment */
  async #lose(): Promise<LabelledVersion[][]> {
    const regions = this.#regions
    this.#title(
      `4. While both rotate again, ${LOST_REGION} is lost: its database is killed, and its Secrets Manager is silent`,
    )
    for (const { ids, lostWhen } of this.#played)
      await regions.rotateUntil(ids.from, lostWhen, { grace: GRACE_MS })
    for (const { user, description } of this.#played) this.#row(user, description)
    await regions.standby.waitUntilCaughtUp()
    this.#lostAt = performance.now()
    await regions.loseFirstRegion()
    for (const { application, ids } of this.#played) application.moveTo(this.#applicationIn('here', ids.here))
    this.#event(`lost; the applications go on in ${SURVIVING_REGION}`)
    const labelled = await Promise.all(this.#played.map(({ ids }) => regions.labelledVersions(ids.here)))
    await regions.standby.promote()
    this.#event('the standby is promoted: it takes changes')
    return labelled
  }

  async #promote(labelled: LabelledVersion[][]): Promise<boolean> {
    this.#title(`5. The state machine promote in ${SURVIVING_REGION}`)
    const { promoted, failed } = await this.#runPromotion({ from: LOST_REGION }, 'shown')
    this.#event('the promotion has ended')
    await this.#servedAgain()
    say()
    for (const { user, application } of this.#played) {
      const { servedAgainAt = Number.NaN, failedCount } = application
      const seconds = ((servedAgainAt - this.#lostAt) / 1000).toFixed(2)
      this.#row(user, `the first good query came ${seconds} s after the loss; queries lost: ${failedCount}`)
    }
    say(`\n   What ${SURVIVING_REGION} had of each secret when ${LOST_REGION} was lost:`)
    for (const [n, { user, ids }] of this.#played.entries())
      await this.#sayLabelled(user, ids, labelled[n] ?? [])
    say()
    return sayProofs([
      [`${promoted} secrets were promoted, and ${failed.count} not`, promoted === 3 && failed.count === 0],
      ...(await this.#standing()),
    ])
  }

  /** Waits until every application is served again, for some seconds at most. */
  async #servedAgain(): Promise<void> {
    const end = performance.now() + 10_000
    const isWaiting = ({ application }: DrilledSecret) => application.servedAgainAt === undefined
    while (performance.now() < end && this.#played.some(isWaiting)) await sleep(20)
  }

  async #sayLabelled(user: string, { here: id }: SecretArns, labelled: LabelledVersion[]): Promise<void> {
    const application = this.#applicationIn('here', id)
    const now = await application.read()
    for (const { labels, value } of labelled) {
      const logsIn = await application.canLogIn({ ...value, port: this.#regions.standby.port })
      const isNow = value.username === now?.username && value.password === now.password
      const found = `${logsIn ? 'logs in' : 'is refused'}${isNow ? ', and is current now' : ''}`
      this.#row(user, `${labels.join(', ').padEnd(18)}${value.username.padEnd(15)}${found}`)
    }
  }

  /** What holds of each secret once it stands alone. */
  async #standing(): Promise<Proof[]> {
    const all = this.#played.flatMap(({ user, ids }): [string, string][] => [
      [user, ids.here],
      ...(ids.adminHere ? [['master', ids.adminHere] as [string, string]] : []),
    ])
    return Promise.all(
      all.map(async ([user, id]): Promise<Proof> => {
        const application = this.#applicationIn('here', id)
        const value = await application.read()
        const isGood = value?.port === this.#regions.standby.port && (await application.canLogIn(value))
        const isSettled = (await application.read('pending')) === undefined
        return [
          `${user}: its value logs in on the server of ${SURVIVING_REGION}; nothing is pending`,
          isGood && isSettled,
        ]
      }),
    )
  }

  async #rotateHere(): Promise<boolean> {
    this.#title(`6. The secrets rotate in ${SURVIVING_REGION}`)
    const proofs: Proof[] = []
    for (const { user, ids, application } of this.#played) {
      const reader = this.#applicationIn('here', ids.here)
      const before = (await reader.read()) as StoredValue
      const input = { store: 'secrets-manager', id: ids.here }
      const { failure } = await this.#regions.secondRegion.run('rotate', randomUUID(), input, {
        grace: GRACE_MS,
      })
      if (failure) this.#row(user, `failed: ${failure.error}: ${failure.cause.errorMessage}`)
      const now = (await reader.read()) as StoredValue
      const isRotated = !failure && now.password !== before.password && (await reader.canLogIn(now))
      proofs.push([`${user} has a new password, which logs in`, isRotated])
      const { served } = application
      await sleep(500)
      proofs.push([`its application goes on with it`, application.served > served])
    }
    return sayProofs(proofs)
  }

  async #seeItBack(): Promise<boolean> {
    this.#title(`7. ${LOST_REGION} comes back, with all that it had, and would rotate`)
    await this.#regions.bringBackFirstRegion()
    const before = this.#played.map(({ application: { served, failedCount } }) => ({
      served,
      lost: failedCount,
    }))
    const proofs: Proof[] = []
    for (const { user, ids } of this.#played) {
      const { failure } = await this.#regions.rotate(ids.from)
      const isRefused = failure?.error === 'PromotedElsewhere'
      proofs.push([`${user}: its rotation in ${LOST_REGION} is refused, with PromotedElsewhere`, isRefused])
    }
    await sleep(1000)
    for (const [n, { user, application }] of this.#played.entries()) {
      const { served, lost } = before[n] as { served: number; lost: number }
      const isServed = application.served > served && application.failedCount === lost
      proofs.push([`${user}: the application in ${SURVIVING_REGION} goes on, and no query is lost`, isServed])
    }
    return sayProofs(proofs)
  }

  /** Runs it; `shown` prints each state that calls something, the first time that it goes by. */
  async #runPromotion(input: object, how?: 'shown'): Promise<PromotionReport> {
    const seen = new Set<string>()
    const entered = (state: string) => {
      if (how === 'shown' && !seen.has(state) && STATE_DESCRIPTIONS[state])
        this.#event(`${state.padEnd(18)} ${STATE_DESCRIPTIONS[state]}`)
      seen.add(state)
    }
    const { output, failure } = await this.#regions.secondRegion.run('promote', randomUUID(), input, {
      entered,
    })
    if (failure) throw new Error(`the promotion failed: ${failure.error}: ${failure.cause.errorMessage}`)
    return output as PromotionReport
  }

  #applicationIn(region: 'from' | 'here', id: string): Application {
    const { valueStores, embedded } = this.#regions
    return new Application(valueStores[region], id, embedded.postgres.caFile)
  }

  /** Says what comes next; it begins with a number. */
  #title(text: string): void {
    say()
    sayAt(3, text)
  }

  /** Says something of what is named. */
  #row(name: string, text: string): void {
    process.stdout.write(`   ${name.padEnd(14)}`)
    sayAt(17, text)
  }

  /** Says what happens now, after the seconds since the loss. */
  #event(text: string): void {
    const seconds = ((performance.now() - this.#lostAt) / 1000).toFixed(2)
    process.stdout.write(`   ${`${seconds} s`.padStart(7)}       `)
    sayAt(17, text)
  }
}
