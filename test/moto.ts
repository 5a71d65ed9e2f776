import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, spawnUntilWeEnd } from '../local/spawn.ts'

export type Moto = { url: string; stop(): Promise<void> }

/** Starts moto, an emulator of AWS written by others, from the environment that pythonBin() made. */
export async function startMoto(bin: string): Promise<Moto> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const moto = spawnUntilWeEnd([join(bin, 'python'), '-m', 'moto.server', '-p', `${port}`], {})
  const stop = async () => {
    moto.stdin?.end()
    if (moto.exitCode === null) await once(moto, 'exit')
  }
  for (let tries = 1; ; tries++) {
    try {
      await fetch(`${url}/moto-api/`)
      return { url, stop }
    } catch (error) {
      if (moto.exitCode === null && tries < 600) await sleep(100)
      else {
        await stop()
        throw new Error('moto did not start', { cause: error })
      }
    }
  }
}
