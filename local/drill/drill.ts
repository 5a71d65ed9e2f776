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

/** What a promotion does in each state that the drill prints. */
const STATE_DESCRIPTIONS: Record<string, string> = {
  FindReplicas: `the replicas of ${LOST_REGION}, which does not answer`,
  FindVersion: 'a login with current, else with previous, else with pending, once each',
  NoteBegun: 'from here on it may be half done, and another run goes on with it',
  PromoteReplica: 'a secret of its own, with the version that logs in and the host of this Region',
  NoteOutcome: 'what became of it is noted',
  ReportPromotion: 'what became of all',
  AnnouncePromotion: 'event "Promotion Finished"',
} satisfies Partial<Record<StateName<'promote'>, string>>

/** A secret that rotates when the Region is lost, and its application. */
type DrilledSecret = {
  user: string
  arns: SecretArns
  application: SteadyApplication
  /** Where its rotation stands when the Region is lost. */
  lostWhen: RotationMoment
  /** The same in words, for somebody who watches the drill. */
  description: string
}

/** Milliseconds for which a replaced user stays valid: longer than an application uses a value that it has read. */
const GRACE_MS = 1000

/**
 * The show of `npm run drill`: a Region is lost while two secrets rotate in it, and the replicas of its secrets are promoted in
 * another Region. Its methods are the parts of the show, in order.
 */
export class Drill {
  readonly #regions: TwoRegions
  #secrets: DrilledSecret[] = []
  /** When the Region was lost, by `performance.now()`. */
  #lostAt = 0

  constructor(regions: TwoRegions) {
    this.#regions = regions
  }

  /** Plays the whole drill. @returns true if everything that it claims was proven */
  async run(): Promise<boolean> {
    const proven: boolean[] = []
    await this.#setUp()
    proven.push(await this.#rehearse())
    try {
      await this.#rotateInLostRegion()
      const labelled = await this.#loseRegion()
      proven.push(await this.#promote(labelled))
      proven.push(await this.#rotateInSurvivingRegion())
      proven.push(await this.#bringBackLostRegion())
    } finally {
      await Promise.all(this.#secrets.map(({ application }) => application.stop()))
    }
    return !proven.includes(false)
  }

  /** Part 1: makes users, secrets and replicas, and prints them. */
  async #setUp(): Promise<void> {
    const regions = this.#regions
    await regions.startStandby()
    const billing = await regions.enrol('billing', { admin: 'master' })
    const shop = await regions.enrol('shop')
    const applicationOf = ({ from }: SecretArns) => new SteadyApplication(this.#applicationIn('from', from))
    this.#secrets = [
      {
        user: 'billing',
        arns: billing,
        application: applicationOf(billing),
        lostWhen: { when: 'in the grace time' },
        description: 'in its grace time: AWSCURRENT is the other user, and the one before still logs in',
      },
      {
        user: 'shop',
        arns: shop,
        application: applicationOf(shop),
        lostWhen: { when: 'after', state: 'SetSecret' },
        description:
          'after SetSecret: the database knows the new password alone, and AWSCURRENT is the old one',
      },
    ]

    const [lostServer, standby] = [regions.embedded.postgres, regions.standby].map(
      ({ host, port }) => `${host}:${port}`,
    )
    this.#title('1. Two Regions')
    this.#row(
      LOST_REGION,
      `PostgreSQL at ${lostServer}, and three secrets: shop, a single user; billing, two users that take turns; master, the admin for that`,
    )
    this.#row(SURVIVING_REGION, `a standby of that PostgreSQL at ${standby}, and a replica of each secret`)
    this.#row('host map', JSON.stringify({ [`${lostServer}`]: standby }))
  }

  /** Part 2: rehearses the promotion of all replicas, which changes nothing. */
  async #rehearse(): Promise<boolean> {
    this.#title(`2. ${SURVIVING_REGION} rehearses its promotion, as it does every week`)
    await this.#regions.standby.waitUntilCaughtUp()
    const { count, promoted } = await this.#runPromotion({ dryRun: true })
    return sayProofs([[`${promoted} of ${count} are ready: each logs in on the standby`, promoted === 3]])
  }

  /** Part 3: starts the applications and rotates each secret once. */
  async #rotateInLostRegion(): Promise<void> {
    this.#title(
      `3. An application of each secret in ${LOST_REGION} asks the database ${QUERIES_PER_SECOND} times a second; the secrets rotate`,
    )
    for (const { application } of this.#secrets) application.start()
    await sleep(500)
    for (const { user, arns, application } of this.#secrets) {
      const { failure } = await this.#regions.rotate(arns.from, { grace: GRACE_MS })
      if (failure) throw new Error(`${user} did not rotate: ${failure.error}: ${failure.cause.errorMessage}`)
      await sleep(500)
      this.#row(
        user,
        `rotated; queries so far: ${application.served} served, ${application.failedCount} failed`,
      )
    }
  }

  /** Part 4: loses the Region in the middle of both rotations. @returns by secret, the versions of its replica at that moment */
  async #loseRegion(): Promise<LabelledVersion[][]> {
    const regions = this.#regions
    this.#title(
      `4. While both rotate again, ${LOST_REGION} is lost: its database is killed, and its Secrets Manager is silent`,
    )
    for (const { arns, lostWhen } of this.#secrets)
      await regions.rotateUntil(arns.from, lostWhen, { grace: GRACE_MS })
    for (const { user, description } of this.#secrets) this.#row(user, description)
    await regions.standby.waitUntilCaughtUp()
    this.#lostAt = performance.now()
    await regions.loseFirstRegion()
    for (const { application, arns } of this.#secrets)
      application.moveTo(this.#applicationIn('here', arns.here))
    this.#event(`lost; the applications go on in ${SURVIVING_REGION}`)
    const labelled = await Promise.all(this.#secrets.map(({ arns }) => regions.labelledVersions(arns.here)))
    await regions.standby.promote()
    this.#event('the standby is promoted: it takes changes')
    return labelled
  }

  /** Part 5: promotes the replicas. `labelled` is what #loseRegion returned. */
  async #promote(labelled: LabelledVersion[][]): Promise<boolean> {
    this.#title(`5. The state machine promote in ${SURVIVING_REGION}`)
    const { promoted, failed } = await this.#runPromotion({ from: LOST_REGION }, 'shown')
    this.#event('the promotion has ended')
    await this.#waitUntilServed()
    say()
    for (const { user, application } of this.#secrets) {
      const { servedAgainAt = Number.NaN, failedCount } = application
      const seconds = ((servedAgainAt - this.#lostAt) / 1000).toFixed(2)
      this.#row(user, `the first good query came ${seconds} s after the loss; queries lost: ${failedCount}`)
    }
    say(`\n   What ${SURVIVING_REGION} had of each secret when ${LOST_REGION} was lost:`)
    for (const [i, { user, arns }] of this.#secrets.entries())
      await this.#sayLabelled(user, arns, labelled[i] ?? [])
    say()
    return sayProofs([
      [`${promoted} secrets were promoted, and ${failed.count} not`, promoted === 3 && failed.count === 0],
      ...(await this.#provePromoted()),
    ])
  }

  /** Waits until each application has had a query answered in the second Region, ten seconds at most. */
  async #waitUntilServed(): Promise<void> {
    const end = performance.now() + 10_000
    const isWaiting = ({ application }: DrilledSecret) => application.servedAgainAt === undefined
    while (performance.now() < end && this.#secrets.some(isWaiting)) await sleep(20)
  }

  /** Prints for each version that a replica had whether the database accepts it, and which one is current now. */
  async #sayLabelled(user: string, { here: arn }: SecretArns, labelled: LabelledVersion[]): Promise<void> {
    const application = this.#applicationIn('here', arn)
    const now = await application.read()
    for (const { labels, value } of labelled) {
      const logsIn = await application.canLogIn({ ...value, port: this.#regions.standby.port })
      const isNow = value.username === now?.username && value.password === now.password
      const found = `${logsIn ? 'logs in' : 'is refused'}${isNow ? ', and is current now' : ''}`
      this.#row(user, `${labels.join(', ').padEnd(18)}${value.username.padEnd(15)}${found}`)
    }
  }

  /** Proves that each promoted secret logs in to the standby and has no pending version, the admin's secret too. */
  async #provePromoted(): Promise<Proof[]> {
    const promoted = this.#secrets.flatMap(({ user, arns }): [string, string][] => [
      [user, arns.here],
      ...(arns.adminHere ? [['master', arns.adminHere] as [string, string]] : []),
    ])
    return Promise.all(
      promoted.map(async ([user, arn]): Promise<Proof> => {
        const application = this.#applicationIn('here', arn)
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

  /** Part 6: rotates each promoted secret in the second Region. */
  async #rotateInSurvivingRegion(): Promise<boolean> {
    this.#title(`6. The secrets rotate in ${SURVIVING_REGION}`)
    const proofs: Proof[] = []
    for (const { user, arns, application } of this.#secrets) {
      const reader = this.#applicationIn('here', arns.here)
      const before = (await reader.read()) as StoredValue
      const input = { store: 'secrets-manager', id: arns.here }
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

  /** Part 7: the lost Region comes back, and must not rotate what the other Region has promoted. */
  async #bringBackLostRegion(): Promise<boolean> {
    this.#title(`7. ${LOST_REGION} comes back, with all that it had, and would rotate`)
    await this.#regions.bringBackFirstRegion()
    const before = this.#secrets.map(({ application: { served, failedCount } }) => ({ served, failedCount }))
    const proofs: Proof[] = []
    for (const { user, arns } of this.#secrets) {
      const { failure } = await this.#regions.rotate(arns.from)
      const isRefused = failure?.error === 'PromotedElsewhere'
      proofs.push([`${user}: its rotation in ${LOST_REGION} is refused, with PromotedElsewhere`, isRefused])
    }
    await sleep(1000)
    for (const [i, { user, application }] of this.#secrets.entries()) {
      const { served, failedCount } = before[i] as { served: number; failedCount: number }
      const isServed = application.served > served && application.failedCount === failedCount
      proofs.push([`${user}: the application in ${SURVIVING_REGION} goes on, and no query is lost`, isServed])
    }
    return sayProofs(proofs)
  }

  /** Runs a promotion. With `shown`, prints each state of STATE_DESCRIPTIONS when it is entered for the first time. */
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

  /** An application that reads a secret in the lost Region (`from`) or the surviving one (`here`). */
  #applicationIn(region: 'from' | 'here', arn: string): Application {
    const { valueStores, embedded } = this.#regions
    return new Application(valueStores[region], arn, embedded.postgres.caFile)
  }

  /** Prints the title of a part, such as "1. Two Regions". */
  #title(text: string): void {
    say()
    sayAt(3, text)
  }

  /** Prints a line about something: its name, then the text. */
  #row(name: string, text: string): void {
    process.stdout.write(`   ${name.padEnd(14)}`)
    sayAt(17, text)
  }

  /** Prints what happens now, after the seconds since the Region was lost. */
  #event(text: string): void {
    const seconds = ((performance.now() - this.#lostAt) / 1000).toFixed(2)
    process.stdout.write(`   ${`${seconds} s`.padStart(7)}       `)
    sayAt(17, text)
  }
}
