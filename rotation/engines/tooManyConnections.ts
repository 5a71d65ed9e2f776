import { Unreachable } from '../errors.ts'

/** The server accepts no further connection, or none of this user. */
export class TooManyConnections extends Unreachable {
  constructor(where: string) {
    super(`${where}: the server has no room for another connection`)
  }
}
