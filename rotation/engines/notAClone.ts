import { NotPermitted } from '../errors.ts'

/** A user with the clone's name exists, and it is not a clone of the user that is rotated. */
export class NotAClone extends NotPermitted {}
