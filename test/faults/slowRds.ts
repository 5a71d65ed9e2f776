import { setTimeout as sleep } from 'node:timers/promises'
import type { App } from '../../local/servers/postgresDatabase.ts'
import type { Credential } from '../../rotation/credential.ts'
import { RdsBusy } from '../../rotation/errors.ts'
import type { TestServer } from '../support/testServers.ts'

/** RDS, as a master's password is set by it: some milliseconds after the call, and one at a time. */
export class SlowRds {
  readonly #place: TestServer
  readonly #app: App
  /** What it has been told and not done yet. */
  static readonly setting = new Map<App, Promise<unknown>>()

  constructor(place: TestServer, app: App) {
    this.#place = place
    this.#app = app
  }

  async setMasterPassword(master: Credential): Promise<void> {
    await this.wouldSetMasterPassword()
    const set = async () => {
      await sleep(10)
      await this.#place.reset({ ...this.#app, current: master }, undefined)
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

  sharesUsers = () => Promise.reject(new Error('everything here is one server'))
}
