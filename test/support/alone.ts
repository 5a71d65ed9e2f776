import childProcess, { ChildProcess } from 'node:child_process'
import { syncBuiltinESMExports } from 'node:module'
import { Server, Socket } from 'node:net'

/** Set up for what `npm run test:fast` runs: a test there that needs more than `npm ci` has brought fails. */
function refused(what: string) {
  return (): never => {
    throw new Error(
      `a fast test may not ${what}: name its file *.test.ts, without "fast", and it runs beside the servers`,
    )
  }
}

const spawned = refused('start a process')
Object.assign(ChildProcess.prototype, { spawn: spawned })
Object.assign(childProcess, { spawnSync: spawned, execSync: spawned, execFileSync: spawned })
syncBuiltinESMExports()
Server.prototype.listen = refused('listen on a port')
Socket.prototype.connect = refused('connect to a server')
