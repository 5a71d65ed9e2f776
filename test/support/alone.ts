import childProcess, { ChildProcess } from 'node:child_process'
import { syncBuiltinESMExports } from 'node:module'
import { Server, Socket } from 'node:net'

/*
 * Set-up of the fast tests: makes each test fail that starts a process, listens on a port or connects to a server, as fast
 * tests need only what `npm ci` installs.
 */

/** @returns a function that throws instead of doing `what` */
function refuse(what: string) {
  return (): never => {
    throw new Error(
      `a fast test may not ${what}: name its file *.test.ts, without "fast", and it runs beside the servers`,
    )
  }
}

const refuseProcess = refuse('start a process')
Object.assign(ChildProcess.prototype, { spawn: refuseProcess })
Object.assign(childProcess, {
  spawnSync: refuseProcess,
  execSync: refuseProcess,
  execFileSync: refuseProcess,
})
syncBuiltinESMExports()
Server.prototype.listen = refuse('listen on a port')
Socket.prototype.connect = refuse('connect to a server')
