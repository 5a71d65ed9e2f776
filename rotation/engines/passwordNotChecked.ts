import { NotPermitted } from '../errors.ts'

/**
 * The server lets this user in whatever the password is, at least from here: such a login says nothing about the password,
 * and a change of it would be of no use, or be found out by the application alone.
 */
export class PasswordNotChecked extends NotPermitted {}
