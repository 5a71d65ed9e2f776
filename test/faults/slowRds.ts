import { setTimeout as sleep } from 'node:timers/promises'
import type { App } from '../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../rotation/credential.ts'
import { RdsBusy } from '../../rotation/errors.ts'
import type { MatrixServer } from '../support/testServers.ts'

/** Plays RDS, which sets a master's password some time after the call (here: milliseconds), and only one at a time. */
export class SlowRds {
  readonly #testServer: MatrixServer
  readonly #app: App
  /** The passwords that it is setting, by app. */
  static readonly setting = new Map<App, Promise<unknown>>()

  constructor(testServer: MatrixServer, app: App) {
    this.#testServer = testServer
    this.#app = app
  }

  async setMasterPassword(master: Credential): Promise<void> {
    await this.wouldSetMasterPassword()
    const set = async () => {
      await sleep(10)
      await this.#testServer.reset({ ...this.#app, current: master }, undefined)
    }
    SlowRds.setting.set(
      this.#app,
      set().finally(() => SlowRds.setting.delete(this.#app)),
    )
  }

  async wouldSetMasterPassword(): Promise<void> {
    if (await this.isSettingPassword()) throw new RdsBusy('RDS is setting a password already')
  }

  async isSettingPassword(): Promise<boolean> {
    await sleep(5)
    return SlowRds.setting.has(this.#app)
  }

  sharesUsers = () => Promise.reject(new Error('there is only one server'))
}
