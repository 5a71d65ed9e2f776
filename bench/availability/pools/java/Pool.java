import com.mysql.cj.jdbc.MysqlDataSource;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/** HikariCP, with its defaults but for the size. PoolLibrary in ../../pools.ts says what it reads and prints. */
public class Pool {
  static final AtomicInteger opened = new AtomicInteger();
  static final AtomicInteger queries = new AtomicInteger();
  static final AtomicInteger failed = new AtomicInteger();
  static final AtomicReference<String> firstError = new AtomicReference<>("");
  static volatile boolean running = true;

  public static void main(String[] args) throws Exception {
    int size = Integer.parseInt(setting("SIZE"));
    HikariConfig config = new HikariConfig();
    config.setDataSource(setting("ENGINE").equals("postgres") ? postgres() : mysql());
    config.setUsername(setting("USERNAME"));
    config.setPassword(setting("PASSWORD"));
    config.setMaximumPoolSize(size);
    HikariDataSource pool = new HikariDataSource(config);
    CountDownLatch ready = new CountDownLatch(size);
    Thread[] users = new Thread[size];
    for (int i = 0; i < size; i++) {
      users[i] = new Thread(() -> queryUntilStopped(pool, ready));
      users[i].start();
    }
    ready.await();
    while (pool.getHikariPoolMXBean().getTotalConnections() < size) Thread.sleep(10);
    System.out.println("ready");
    while (System.in.read() != -1) {}
    running = false;
    for (Thread user : users) user.join();
    System.out.printf("%d %d %d %s%n", queries.get(), failed.get(), opened.get(), firstError.get());
    pool.close();
  }

  static void queryUntilStopped(DataSource pool, CountDownLatch ready) {
    while (running) {
      queries.incrementAndGet();
      try (Connection connection = pool.getConnection()) {
        connection.createStatement().executeQuery("select n from of_the_app");
        ready.countDown();
        Thread.sleep(20);
      } catch (SQLException | InterruptedException error) {
        failed.incrementAndGet();
        firstError.compareAndSet("", error.getMessage().replace('\n', ' '));
      }
    }
  }

  static DataSource postgres() {
    PGSimpleDataSource source = new PGSimpleDataSource() {
      @Override public Connection getConnection(String user, String password) throws SQLException {
        opened.incrementAndGet();
        return super.getConnection(user, password);
      }
    };
    source.setServerNames(new String[] {setting("HOST")});
    source.setPortNumbers(new int[] {Integer.parseInt(setting("PORT"))});
    source.setDatabaseName(setting("DATABASE"));
    source.setSslMode("verify-full");
    source.setSslRootCert(setting("CA_FILE"));
    return source;
  }

  static DataSource mysql() throws SQLException {
    MysqlDataSource source = new MysqlDataSource() {
      @Override public Connection getConnection(String user, String password) throws SQLException {
        opened.incrementAndGet();
        return super.getConnection(user, password);
      }
    };
    source.setServerName(setting("HOST"));
    source.setPort(Integer.parseInt(setting("PORT")));
    source.setDatabaseName(setting("DATABASE"));
    // The driver reads no certificates from PEM files, so the server's certificate is not verified:
    // https://dev.mysql.com/doc/connector-j/en/connector-j-reference-using-ssl.html
    source.setSslMode("REQUIRED");
    return source;
  }

  static String setting(String name) {
    return System.getenv("POOL_" + name);
  }
}
