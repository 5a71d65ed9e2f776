import { join } from 'node:path'
import { freePort, startServer } from '../../local/servers/spawn.ts'

/** A running moto: an AWS emulator that is not this project's. */
export type Moto = { url: string; stop(): Promise<void> }

/** Starts moto. `bin` is the folder that pythonBin returned. */
export async function startMoto(bin: string): Promise<Moto> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const command = [join(bin, 'python'), '-m', 'moto.server', '-p', `${port}`]
  return { url, stop: await startServer(command, `${url}/moto-api/`) }
}
