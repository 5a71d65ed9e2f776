import type { Package } from '../rotation/start.ts'
import type { ComparisonInputs } from './compare.ts'
import { FunctionsProcess } from './keyturnRotator.ts'
import { startHost } from './officialRotator.ts'
import type { Scene } from './scene.ts'
import { type Pairs, takeInTurns } from './takeInTurns.ts'

/** Milliseconds in a fresh process. AWS's driver comes with the import, Keyturn's client likewise: these are 0. */
export type Start = { importMs: number; clientMs: number; driverMs: number; loginMs: number }

export type Starts = { database: string; pairs: Pairs<Start> }

/** Starts each side `pairs` times, by turns, and lets it log in once. */
export async function timeStarts(scene: Scene, sides: ComparisonInputs, pairs: number): Promise<Starts> {
  const value = JSON.parse((await scene.shelf.read(await scene.enrol(false), 'current')) ?? '')
  return {
    database: scene.name,
    pairs: await takeInTurns(pairs, {
      official: () => startOfficial(scene, sides, value),
      keyturn: () => startKeyturn(scene, sides.packages, value),
    }),
  }
}

async function startOfficial(
  scene: Scene,
  { python, source }: ComparisonInputs,
  value: object,
): Promise<Start> {
  await using host = await startHost(scene, python, source, { strategy: 'single', knowsMysql9: false })
  const client = (await host.client()).wall
  return {
    importMs: host.loaded.wall,
    clientMs: client,
    driverMs: 0,
    loginMs: (await host.login(value)).wall,
  }
}

/** Of the function that logs in first. */
async function startKeyturn(scene: Scene, packages: Package[], value: object): Promise<Start> {
  const setSecret = packages.find(({ name }) => name === 'setSecret')
  const engine = setSecret?.drivers.find(({ engine }) => engine === scene.engine)
  if (!setSecret || !engine) throw new Error(`setSecret has no driver for ${scene.engine}`)
  await using functions = new FunctionsProcess(scene)
  const imported = (await functions.load('setSecret', setSecret.entry)).wall
  const driver = (await functions.load('driver', engine.entry)).wall
  return {
    importMs: imported,
    clientMs: 0,
    driverMs: driver,
    loginMs: (await functions.login(engine.entry, value)).wall,
  }
}
