import { Unreachable } from '../errors.ts'

/**
 * The server takes no changes, as the copy of a database that has not been promoted, and was left for that before the
 * password was tried. May pass by itself, when a failover is over.
 */
export class Standby extends Unreachable {}
