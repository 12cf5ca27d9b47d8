//! librdkafka's mock cluster, kept on the one thread that may use it.

use std::sync::mpsc;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

type Cluster = MockCluster<'static, DefaultProducerContext>;
type Job = Box<dyn FnOnce(&Cluster) + Send>;

/// A mock cluster; it lives as long as this.
pub struct Mock {
    jobs: mpsc::Sender<Job>,
    bootstrap: String,
}

impl Mock {
    /// A cluster of `brokers` with the given topics and numbers of partitions.
    pub fn start(brokers: i32, topics: &[(&str, i32)]) -> Mock {
        let topics: Vec<_> = topics
            .iter()
            .map(|(name, partitions)| ((*name).to_owned(), *partitions))
            .collect();
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (tell, bootstrap) = mpsc::channel();
        std::thread::spawn(move || {
            let cluster = MockCluster::new(brokers).unwrap();
            for (name, partitions) in topics {
                cluster.create_topic(&name, partitions, 1).unwrap();
            }
            tell.send(cluster.bootstrap_servers()).unwrap();
            for job in inbox {
                job(&cluster);
            }
        });
        Mock {
            jobs,
            bootstrap: bootstrap.recv().unwrap(),
        }
    }

    /// Its brokers.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Takes the broker away, or gives it back.
    pub fn set_broker(&self, up: bool) {
        self.with(move |cluster| {
            if up {
                cluster.broker_up(1)
            } else {
                cluster.broker_down(1)
            }
            .unwrap()
        });
    }

    /// Does something with the cluster on its thread, and waits for it.
    pub fn with<T: Send + 'static>(&self, job: impl FnOnce(&Cluster) -> T + Send + 'static) -> T {
        let (tell, done) = mpsc::channel();
        self.jobs
            .send(Box::new(move |cluster| tell.send(job(cluster)).unwrap()))
            .unwrap();
        done.recv().unwrap()
    }
}
