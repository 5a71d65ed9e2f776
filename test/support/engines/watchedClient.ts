import pg from 'pg'

/**
 * Makes a driver for one session, and shows which settings that session has on the server.
 * @returns `shows`, which gives the value of each setting once the session is open
 */
export function watchedClient(): { Client: typeof pg.Client; shows(settings: string[]): Promise<string[]> } {
  let client: pg.Client | undefined
  class Client extends pg.Client {
    constructor(config: pg.ClientConfig) {
      super(config)
      client = this
    }
  }
  const shows = async (settings: string[]) => {
    const shown = await client?.query(
      `select ${settings.map(name => `current_setting('${name}') as ${name}`).join(', ')}`,
    )
    return settings.map(name => shown?.rows[0]?.[name])
  }
  return { Client, shows }
}
