import type { Package } from '../rotation/start.ts'
import type { Sides } from './compare.ts'
import { Functions } from './keyturn.ts'
import { startHost } from './official.ts'
import type { Scene } from './scene.ts'

/** Milliseconds to load a function, make its client and load its driver, in a fresh process: one of each pair. */
export type Starts = { database: string; official: number[]; keyturn: number[] }

/** Starts each side `pairs` times, by turns. */
export async function timeStarts(scene: Scene, sides: Sides, pairs: number): Promise<Starts> {
  const starts: Starts = { database: scene.name, official: [], keyturn: [] }
  // The first only brings the files into memory.
  for (let pair = 0; pair <= pairs; pair++) {
    const official = await startOfficial(scene, sides)
    const keyturn = await startKeyturn(scene, sides.packages)
    if (pair === 0) continue
    starts.official.push(official)
    starts.keyturn.push(keyturn)
  }
  return starts
}

async function startOfficial(scene: Scene, { python, source }: Sides): Promise<number> {
  await using host = await startHost(scene, python, source, { strategy: 'single', knowsMysql9: false })
  return host.loaded.wall + (await host.client()).wall
}

/** Of the function that logs in first. Its client is made as it is loaded. */
async function startKeyturn(scene: Scene, packages: Package[]): Promise<number> {
  const setSecret = packages.find(({ name }) => name === 'setSecret')
  const driver = setSecret?.drivers.find(({ engine }) => engine === scene.engine)
  if (!setSecret || !driver) throw new Error(`setSecret has no driver for ${scene.engine}`)
  await using functions = new Functions(scene)
  const start = await functions.load('setSecret', setSecret.entry)
  return start.wall + (await functions.load('driver', driver.entry)).wall
}
