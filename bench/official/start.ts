import type { Package } from '../rotation/start.ts'
import type { ComparisonInputs } from './compare.ts'
import { FunctionsProcess } from './keyturnRotator.ts'
import { startHost } from './officialRotator.ts'
import type { Scene } from './scene.ts'
import { type Pairs, takeInTurns } from './takeInTurns.ts'

/**
 * Milliseconds of the parts of a start, in a new process. AWS's driver is part of the import, and so is Keyturn's client, so these
 * two are 0.
 */
export type Start = { importMs: number; clientMs: number; driverMs: number; loginMs: number }

/** The starts of both sides with one database. */
export type Starts = { database: string; pairs: Pairs<Start> }

/** Starts a function of each side `pairs` times, in turns, and has each log in once. */
export async function timeStarts(scene: Scene, inputs: ComparisonInputs, pairs: number): Promise<Starts> {
  const value = JSON.parse((await scene.valueStore.read(await scene.enrol(false), 'current')) ?? '')
  return {
    database: scene.name,
    pairs: await takeInTurns(pairs, {
      official: () => startOfficial(scene, inputs, value),
      keyturn: () => startKeyturn(scene, inputs.packages, value),
    }),
  }
}

async function startOfficial(
  scene: Scene,
  { python, source }: ComparisonInputs,
  value: object,
): Promise<Start> {
  await using host = await startHost(scene, python, source, { strategy: 'single', knowsMysql9: false })
  const clientMs = (await host.client()).wall
  return {
    importMs: host.loaded.wall,
    clientMs,
    driverMs: 0,
    loginMs: (await host.login(value)).wall,
  }
}

/** Starts setSecret, as one of Keyturn's functions that log in. */
async function startKeyturn(scene: Scene, packages: Package[], value: object): Promise<Start> {
  const setSecret = packages.find(({ name }) => name === 'setSecret')
  const engine = setSecret?.drivers.find(({ engine }) => engine === scene.engine)
  if (!setSecret || !engine) throw new Error(`setSecret has no driver for ${scene.engine}`)
  await using functions = new FunctionsProcess(scene)
  const importMs = (await functions.load('setSecret', setSecret.entry)).wall
  const driverMs = (await functions.load('driver', engine.entry)).wall
  return {
    importMs,
    clientMs: 0,
    driverMs,
    loginMs: (await functions.login(engine.entry, value)).wall,
  }
}
