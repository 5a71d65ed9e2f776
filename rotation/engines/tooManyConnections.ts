import { Unreachable } from '../errors.ts'

/** The server has no room for another connection, or none for this user's. */
export class TooManyConnections extends Unreachable {
  constructor(where: string) {
    super(`${where}: the server has no room for another connection`)
  }
}
