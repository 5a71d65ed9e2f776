import { NotPermitted } from '../errors.ts'

/** There is a user of the clone's name, and it is somebody else's. */
export class NotAClone extends NotPermitted {}
